SECRET_KEY='a$b"c'
DEBUG=false
URL=postgres://u:p@postgres/x?sslmode=disable

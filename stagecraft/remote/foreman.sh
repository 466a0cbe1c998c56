# The foreman: one POSIX shell on a host that runs what its client sends, and ends all of it when the client is gone.
#
# Arguments: a nonce. Input: one frame per line. Output: framed results. Standard error: answers to pings, which thus
# overtake large results. No line of this file may hold a single quote: it travels as one quoted argument.
u=$(umask)
umask 077
nonce=$1 m=$$ w= h= nl="
"
for t in "${XDG_RUNTIME_DIR:-}" /dev/shm "${TMPDIR:-}" /tmp; do
  case $t in /*) ;; *) continue ;; esac
  case $t in *[!A-Za-z0-9/._-]*) continue ;; esac
  # what a shell left that was killed together with its watchdog; its commands may still run
  for d in "$t"/stagecraft-*/m; do
    { [ -O "$d" ] && read -r o <"$d"; } 2>/dev/null || continue
    kill -0 "$o" 2>/dev/null || kill -0 "-$o" 2>/dev/null || rm -rf "${d%/m}"
  done
  d=$t/stagecraft-$nonce
  mkdir -m 700 "$d" 2>/dev/null && mkfifo "$d/q" 2>/dev/null && echo $m 2>/dev/null >"$d/m" && break
  rm -rf "$d"
  d=
done
o=
[ "$d" ] || { printf "\n%s 0 no folder for temporary files can be written\n" "$nonce"; exit 1; }
for t in setsid mkfifo dd wc head; do
  command -v $t >/dev/null || { printf "\n%s 0 %s is not installed\n" "$nonce" "$t"; rm -rf "$d"; exit 1; }
done
printf xy | dd bs=2 count=1 iflag=fullblock >/dev/null 2>&1 && full=iflag=fullblock || full=
command -v flock >/dev/null && f=1 || f=0
[ "${HOME:-}" ] || HOME=$(cd && pwd)

# Tell whether any command still runs.
busy() {
  for t in "$d"/*.j; do [ -s "$t" ] && return 0; done
  return 1
}

# Let those go who still wait for somebody to open the other end of a pipe.
release() { true 6<>"${1}i" 7<>"${1}o" 8<>"${1}e"; } 2>/dev/null

pause() { sleep 0.05 2>/dev/null || sleep 1; }

# End everything that was started, then this shell and its helpers: they are one process group, commands have their own.
finish() {
  trap "" TERM USR1 USR2 HUP PIPE
  true 2>/dev/null >"$d/end"
  kill -TERM 0
  t=0; while busy && [ $t -lt 10 ]; do pause; t=$((t+1)); done
  kill -USR2 0
  t=0; while busy && [ $t -lt 40 ]; do pause; t=$((t+1)); done
  [ -z "$h" ] || rm -rf "$h/holder" "$h/lock.d"
  for t in "$d"/*.fi; do [ ! -p "$t" ] || release "${t%i}"; done
  cd /
  rm -rf "$d"
  kill -KILL 0
}

# Expect a beat (USR1) at least every $2 ticks of $1 seconds.
watch() {
  trap "" TERM USR2
  trap "b=1" USR1
  trap stop HUP
  b= n=0
  while sleep "$1"; do
    if [ "$b" ]; then b= n=0; else n=$((n+1)); fi
    [ $n -lt "$2" ] && kill -0 $m 2>/dev/null || stop
  done
  stop
}

# The watchdog ends the shell that reads first, so that no frame that is still on its way is obeyed.
stop() {
  kill -KILL $m 2>/dev/null
  finish
}

guard() {
  o=$w
  watch "$1" "$2" >/dev/null 2>&1 5>&- &
  w=$!
  [ -z "$o" ] || kill -KILL "$o" 2>/dev/null
}

# Be the only one that writes results: header, standard output, standard error.
deliver() {
  trap "" PIPE
  while read -r k i c x; do
    case $k in
    R)
      o=0 e=0
      if [ -s "$d/$i.o" ] || [ -s "$d/$i.e" ]; then set -- $(wc -c "$d/$i.o" "$d/$i.e"); o=$1 e=$3; fi
      printf "R %s %s %s %s\n" "$i" "$c" "$o" "$e"
      [ "$o" = 0 ] || head -c "$o" "$d/$i.o"
      [ "$e" = 0 ] || head -c "$e" "$d/$i.e"
      rm -f "$d/$i".*
      ;;
    *) printf "%s %s %s %s\n" "$k" "$i" "$c" "$x" ;;
    esac
  done
}

say() { printf "%s\n" "$*" >&5; }

# Used by the text of a command: what makes it impossible to start.
cannot() { say N "$i" "$1"; exit 126; }

job() {
  trap - TERM USR1 USR2 HUP PIPE
  # a signal that came while the traps were still those of the parent has been lost
  [ ! -e "$d/$i.k" ] && [ ! -e "$d/end" ] || exit 143
  umask "$u"
  eval "$x"
}

hit() {
  s=$1
  [ -z "$p" ] || kill -"$1" "-$p" 2>/dev/null || kill -"$1" "$p" 2>/dev/null
}

# Run the command whose text is $x as a child in a session of its own; report its exit code.
serve() {
  p= s=
  trap "hit TERM" TERM
  trap "hit KILL" USR2
  trap "" HUP
  if ! { true >"$d/$i.o" && true >"$d/$i.e" && [ -s "$d/$i.j" ]; } 2>/dev/null; then
    say N "$i" space; say R "$i" 126; exit
  elif [ $k = s ]; then
    job <"$d/$i.fi" >"$d/$i.fo" 2>"$d/$i.fe" &
  elif [ -e "$d/$i.i" ]; then
    job <"$d/$i.i" >"$d/$i.o" 2>"$d/$i.e" &
  else
    job </dev/null >"$d/$i.o" 2>"$d/$i.e" &
  fi
  p=$!
  # a cancellation that came before the traps were set
  if [ -z "$s" ] && [ -e "$d/$i.k" ]; then s=TERM; fi
  [ -z "$s" ] || hit "$s"
  while :; do
    wait "$p"; c=$?
    [ $c != 127 ] && kill -0 "$p" 2>/dev/null || break
  done
  true 2>/dev/null >"$d/$i.j"
  # what was ended because nobody is heard of any more has no result
  [ ! -e "$d/end" ] || exit
  [ $k = r ] || release "$d/$i.f"
  say R "$i" $c
}

# Take the lock of the folder $2 for $3, or answer who has it. Time to live: $1 seconds. With $4, take it only if nobody had it
# after the one whose record that is: the lock file keeps the last.
lock() {
  [ -d "$2" ] || mkdir -p "$2" 2>/dev/null
  if ! { true 9<>"$2/lock"; } 2>/dev/null; then say L "$i" 2; return; fi
  if [ $f = 1 ]; then
    exec 9<>"$2/lock"
    # a lock without a holder is about to have one, or somebody only looks whether it is free
    t=0
    until flock -n 9; do
      if [ -e "$2/holder" ] || [ $t = 10 ]; then exec 9>&-; held "$2"; return; fi
      t=$((t+1)); pause
    done
  elif ! mkdir "$2/lock.d" 2>/dev/null; then
    t=; read -r t 2>/dev/null <"$2/lock.d/pid"
    if [ -n "$t" ] && kill -0 "$t" 2>/dev/null; then held "$2"; return; fi
    mv "$2/lock.d" "$2/lock.d.$m" 2>/dev/null && rm -rf "$2/lock.d.$m"
    mkdir "$2/lock.d" 2>/dev/null || { held "$2"; return; }
  fi
  [ $f = 1 ] || echo $m >"$2/lock.d/pid"
  t=
  [ -z "${4:-}" ] || { read -r t 2>/dev/null <"$2/lock"; [ "$t" = "$4" ]; } || { h=$2; unlock; say L "$i" 3 "$t"; return; }
  h=$2
  { printf "%s\n" "$3" >"$h/lock"; } 2>/dev/null
  guard 1 "$1"
  { printf "%s %s\n%s\n" $m $w "$3" >"$h/holder.new" && mv "$h/holder.new" "$h/holder"; } 2>/dev/null
  say L "$i" 0
}

held() {
  t=; { read -r t && read -r t; } 2>/dev/null <"$1/holder"
  say L "$i" 1 "$t"
}

unlock() {
  [ -z "$h" ] || rm -rf "$h/holder" "$h/lock.d"
  h=
  if { true >&9; } 2>/dev/null; then
    [ $f = 0 ] || flock -u 9
    exec 9>&-
  fi
  guard 5 12
}

trap "" TERM USR1 USR2 HUP PIPE
exec 5<>"$d/q"
deliver <&5 &
printf "\n%s 1 %s %s %s\n" "$nonce" $f "$d" "$HOME"
guard 5 12
while IFS=" " read -r k i x; do
  kill -USR1 $w 2>/dev/null || break
  case $k in
  p) printf "%s %s\n" "$nonce" "$i" >&2 ;;
  r | s) { printf 1 >"$d/$i.j"; } 2>/dev/null; serve </dev/null & eval "j$i=$!" ;;
  i) dd bs="$x" count=1 $full >>"$d/$i.i" 2>/dev/null || break ;;
  k) eval "t=\${j$i:-}"; [ -z "$t" ] || { true 2>/dev/null >"$d/$i.k"; kill -"$x" "$t" 2>/dev/null; } ;;
  d) eval "t=\${j$i:-}"; [ -z "$t" ] || wait "$t"; unset "j$i" ;;
  l) eval "lock $x" ;;
  u) unlock; say L "$i" 0 ;;
  q) break ;;
  esac
done
finish

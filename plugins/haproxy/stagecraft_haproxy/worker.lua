-- Let the administrator move servers in workers that a reload has left behind: HAProxy's own commands refuse there,
-- because a worker that ends has its proxies disabled, while connections that it still holds may bring one more request.
--
--   stagecraft enter BACKEND/SERVER    take new requests from now on
--   stagecraft leave BACKEND/SERVER    take none, end those in flight

local function server(name)
  local backend, rest = (name or ""):match("^([^/]+)/(.+)$")
  local known = backend and core.backends[backend]
  return known and known.servers[rest]
end

local function command(act)
  return function(applet, _, _, name)
    local found = server(name)
    if found then
      act(found)
      applet:send("done\n")
    else
      applet:send("no such server\n")
    end
  end
end

core.register_cli({ "stagecraft", "enter" }, "stagecraft enter BACKEND/SERVER", command(function(found)
  found:set_ready()
  found:check_force_up()
end))

core.register_cli({ "stagecraft", "leave" }, "stagecraft leave BACKEND/SERVER", command(function(found)
  found:set_drain()
end))

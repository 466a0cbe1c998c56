-- Ask HAProxy's master socket, from within the container and with nothing but HAProxy itself.
--
-- ASK1, ASK2, … hold one command each; ASKS says how many. "* COMMAND" goes to every worker, those of earlier
-- configurations too, "@1 COMMAND" to the current one, and a command without a prefix to the master. FILE1, FILE2, …
-- name files that follow the command as its payload. Every answer is printed after a line "LABEL LENGTH".

local SOCKET = os.getenv("MASTER")

local function ask(command, payload)
  local socket = core.tcp()
  socket:settimeout(30)
  if not socket:connect(SOCKET) then
    return nil
  end
  local text = command .. "\n"
  if payload then
    text = command .. " <<\n" .. payload .. "\n\n"
  end
  socket:send(text .. "quit\n")
  local answer = socket:receive("*a")
  socket:close()
  return answer or ""
end

local function say(label, answer)
  io.stdout:write(label, " ", #answer, "\n", answer)
end

local function workers()
  local found, section = {}, ""
  for line in (ask("show proc") or ""):gmatch("[^\n]+") do
    section = line:match("^# (.*)$") or section
    local pid = line:match("^(%d+)%s+worker")
    if pid then
      found[#found + 1] = { pid = pid, kind = section:match("old") and "old" or "current" }
    end
  end
  return found
end

local function content(path)
  local file = path and io.open(path, "rb")
  if not file then
    return nil
  end
  local data = file:read("a"):gsub("\n+$", "")
  file:close()
  return data
end

core.register_task(function()
  for i = 1, tonumber(os.getenv("ASKS")) do
    local command, payload = os.getenv("ASK" .. i), content(os.getenv("FILE" .. i))
    local everywhere = command:match("^%* (.*)$")
    if everywhere then
      for _, worker in ipairs(workers()) do
        say(worker.kind .. ":" .. worker.pid, ask("@!" .. worker.pid .. " " .. everywhere, payload) or "")
      end
    else
      local answer = ask(command, payload)
      say(answer and "answer" or "silent", answer or "")
    end
  end
  io.stdout:flush()
  os.remove(os.getenv("OWN"))
  os.exit(0)
end)

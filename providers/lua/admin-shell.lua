-- Runs commands of the admin shell one after the other.
-- Input:  socket paths, seconds for a command, seconds to wait for a server that listens, then the commands
-- Output: for each command one line of JSON, [ok, text]
-- Exit:   69 when nothing listens on any of the sockets

local paths, seconds, patience = field(), tonumber(field()), tonumber(field())
local deadline = socket.gettime() + patience
local ask, reason = connect(paths, seconds)
while not ask and socket.gettime() < deadline do
  socket.sleep(0.1)
  ask, reason = connect(paths, seconds)
end
if not ask then
  io.stderr:write(reason, "\n")
  os.exit(69)
end
local lost
for command in field do
  local ok, text
  if not lost then
    ok, text = ask(command)
    if ok == nil then lost = text end
  end
  if lost then ok, text = false, text or "not run, because of an earlier command: " .. lost end
  io.write("[", tostring(ok), ",", json_bytes(text), "]\n")
end

-- Runs commands of the admin shell one after the other.
-- Input:  socket paths, seconds, then the commands
-- Output: for each command one line of JSON, [ok, text]
-- Exit:   69 when nothing listens on any of the sockets

local ask, reason = connect(field(), tonumber(field()))
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

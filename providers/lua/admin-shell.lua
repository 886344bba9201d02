-- Bridge between standard input and the admin socket of Prosody, https://prosody.im/doc/console.
--
-- Input:  SOCKET-PATHS, separated by ":"\n SECONDS\n, then for each command: LENGTH\n BYTES
-- Output: for each command one line of JSON, [ok, text], with one \u00XX for each byte outside of printable ASCII
-- Exit:   69 when nothing listens on any of the sockets

local socket = require "socket"
local socket_paths, seconds = io.read("*l"), tonumber(io.read("*l"))

local function open()
  local unix = require "socket.unix"
  local reasons = {}
  for path in socket_paths:gmatch "[^:]+" do
    -- Some builds of LuaSocket export the constructor alone.
    local connection = type(unix) == "function" and unix() or unix.stream()
    connection:settimeout(seconds)
    local ok, reason = connection:connect(path)
    if ok then return connection end
    reasons[#reasons + 1] = path .. ": " .. reason
  end
  io.stderr:write(table.concat(reasons, "\n"), "\n")
  os.exit(69)
end

local entities = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }
local function escape(text)
  return (text:gsub("[&<>\r]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\r"] = "&#13;" }))
end
local function unescape(text)
  return (text:gsub("&(#?)(x?)(%w+);", function(number, hexadecimal, name)
    if number == "" then return entities[hexadecimal .. name] end
    return string.char(tonumber(name, hexadecimal == "" and 10 or 16))
  end))
end

local function json(text)
  return '"' .. text:gsub('[%c"\\\128-\255]', function(byte) return ("\\u00%02x"):format(byte:byte()) end) .. '"'
end

local connection = open()
local received = ""

-- The next element that the server sends: name, attributes, text.
local function element()
  while true do
    local first, last, name, attributes = received:find("<(repl%-%a+)([^>]*)>")
    if first and attributes:sub(-1) == "/" then
      received = received:sub(last + 1)
      return name, attributes, ""
    elseif first then
      local close = "</" .. name .. ">"
      local finish = received:find(close, last + 1, true)
      if finish then
        local text = received:sub(last + 1, finish - 1)
        received = received:sub(finish + #close)
        return name, attributes, unescape(text)
      end
    end
    -- receive() waits for as many bytes as it is asked for, so it may take only what is there already.
    if not socket.select({ connection }, nil, seconds)[1] then return nil, "timeout" end
    connection:settimeout(0)
    local all, reason, some = connection:receive(65536)
    local data = all or some
    if data == "" then return nil, reason end
    received = received .. data
  end
end

local function ask(command)
  connection:settimeout(seconds)
  local sent, reason = connection:send(
    '<repl-input repl="0" width="200">' .. escape(command) .. "</repl-input>")
  if not sent then return nil, reason end
  local lines = {}
  while true do
    local name, attributes, text = element()
    if not name then return nil, attributes end
    if name == "repl-result" then
      text = text:gsub("^OK: ", ""):gsub("^Result: ", ""):gsub("^Error: ", "")
      if text ~= "" then lines[#lines + 1] = text end
      return { ok = not attributes:find "type=['\"]error['\"]", text = table.concat(lines, "\n") }
    elseif name == "repl-output" then
      lines[#lines + 1] = text
    end
  end
end

connection:send("<stream:stream xmlns='xmpp:prosody.im/admin' xmlns:stream='http://etherx.jabber.org/streams'>")
local lost
while true do
  local length = io.read("*l")
  if not length then break end
  local command = io.read(tonumber(length))
  local reply
  if not lost then
    local reason
    reply, reason = ask(command)
    if not reply then
      lost = reason == "timeout" and ("no answer within " .. seconds .. " s") or ("connection lost: " .. reason)
      reply = { ok = false, text = lost }
    end
  end
  reply = reply or { ok = false, text = "not run, because of an earlier command: " .. lost }
  io.write("[", tostring(reply.ok), ",", json(reply.text), "]\n")
end
connection:close()

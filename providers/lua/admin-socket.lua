-- A client of Prosody's admin socket, https://prosody.im/doc/console.

local socket = require "socket"
local unix = require "socket.unix"

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

-- Connects to the first of the paths, separated by ":", where a server listens. Returns a function that runs one
-- command and returns whether it succeeded and what it printed, or nil and the reason when the connection is lost;
-- or nil and why there is no connection.
local function connect(paths, seconds)
  local connection, received, reasons = nil, "", {}
  for path in paths:gmatch "[^:]+" do
    -- Some builds of LuaSocket export the constructor alone.
    local try = type(unix) == "function" and unix() or unix.stream()
    try:settimeout(seconds)
    local ok, reason = try:connect(path)
    if ok then connection = try break end
    reasons[#reasons + 1] = path .. ": " .. reason
  end
  if not connection then return nil, table.concat(reasons, ", ") end

  -- The next element that the server sends: name, attributes, text.
  local function element()
    while true do
      local _, last, name, attributes = received:find("<(repl%-%a+)([^>]*)>")
      if name and attributes:sub(-1) == "/" then
        received = received:sub(last + 1)
        return name, attributes, ""
      elseif name then
        local close = "</" .. name .. ">"
        local finish = received:find(close, last + 1, true)
        if finish then
          local text = received:sub(last + 1, finish - 1)
          received = received:sub(finish + #close)
          return name, attributes, unescape(text)
        end
      end
      -- receive() waits for as many bytes as it is asked for, so it may take only what is there already.
      if not socket.select({ connection }, nil, seconds)[1] then
        return nil, "no answer within " .. seconds .. " s"
      end
      connection:settimeout(0)
      local all, reason, some = connection:receive(65536)
      local data = all or some
      if data == "" then return nil, "the connection broke: " .. reason end
      received = received .. data
    end
  end

  connection:send(
    "<stream:stream xmlns='xmpp:prosody.im/admin' xmlns:stream='http://etherx.jabber.org/streams'>")
  return function(command)
    connection:settimeout(seconds)
    local sent, reason = connection:send(
      '<repl-input repl="0" width="200">' .. escape(command) .. "</repl-input>")
    if not sent then return nil, "the connection broke: " .. reason end
    local lines = {}
    while true do
      local name, attributes, text = element()
      if not name then return nil, attributes end
      if name == "repl-result" then
        text = text:gsub("^OK: ", ""):gsub("^Result: ", ""):gsub("^Error: ", "")
        if text ~= "" then lines[#lines + 1] = text end
        return not attributes:find "type=['\"]error['\"]", table.concat(lines, "\n")
      elseif name == "repl-output" then
        lines[#lines + 1] = text
      end
    end
  end
end

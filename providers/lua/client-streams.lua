-- Adds a command to those of the admin socket: "client-streams\n", then lines "port ADDRESS PORT starttls" or "… tls" and
-- "host NAME". It connects as clients do, to the first of the ports that takes it, and goes on to what the server
-- offers for a log-in. Returns "NAME\tREASON" for the first host at which the server fails, or nothing.
--
-- A failure is only what can be nothing else: twice, the server opens its stream and offers nothing in it, and logs an
-- error of a client's connection meanwhile. Limits, firewalls, TLS settings and slow hosts look otherwise.

local seconds, budget = 3, 12

-- What comes until the end of an element that answers, or all that comes in time.
local function answer(connection)
  local text, deadline = "", socket.gettime() + seconds
  repeat
    connection:settimeout(math.max(0.01, deadline - socket.gettime()))
    local byte = connection:receive(1)
    text = text .. (byte or "")
    local is_whole = byte == ">"
      and (text:find "</stream:" or text:find "<stream:features/>" or text:find "<proceed" or text:find "<failure")
  until not byte or is_whole or socket.gettime() > deadline
  return text
end

local function open_stream(connection, host)
  connection:send("<?xml version='1.0'?><stream:stream to='" .. escape(host):gsub("'", "&apos;")
    .. "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
end

local function is_empty(stream)
  return stream:find "<stream:stream" ~= nil and not stream:find "<stream:features"
end

local function encrypted(connection)
  local secure = require "ssl".wrap(connection, { mode = "client", protocol = "any", verify = "none", options = "all" })
  if not secure then return nil end
  secure:settimeout(seconds)
  return secure:dohandshake() and secure
end

local function connected(ports)
  for _, port in ipairs(ports) do
    local connection = port.address:find ":" and socket.tcp6() or socket.tcp4()
    connection:settimeout(1)
    if connection:connect(port.address, port.number) then return connection, port.is_tls end
    connection:close()
  end
end

-- A connection with the stream in which the log-in would be; or nil and whether the server failed before.
local function begin(ports, host)
  local connection, is_tls = connected(ports)
  if connection and not is_tls then
    open_stream(connection, host)
    local offered = answer(connection)
    if not offered:find "<starttls" then
      connection:close()
      return nil, is_empty(offered)
    end
    connection:send "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    if not answer(connection):find "<proceed" then return nil, false end
  end
  connection = connection and encrypted(connection)
  if connection then open_stream(connection, host) end
  return connection, false
end

-- Those of the hosts at which the server fails. All have begun before the first is waited for: behind a handshake, the
-- answer comes as late as TCP's delayed acknowledgment.
local function failing(ports, hosts)
  local connections, failed, deadline = {}, {}, socket.gettime() + budget
  for i, host in ipairs(hosts) do
    if socket.gettime() > deadline then break end
    connections[i], failed[i] = begin(ports, host)
  end
  local found = {}
  for i, host in ipairs(hosts) do
    local connection = connections[i]
    if connection then
      failed[i] = socket.gettime() < deadline and is_empty(answer(connection))
      connection:send "</stream:stream>"
      connection:close()
    end
    if failed[i] then found[#found + 1] = host end
  end
  return found
end

-- In the server: gathers what clients' connections log as errors.
local watch = [[> client_errors = {} require "util.logger".add_simple_sink(function(source, _, message)
  if client_errors and source:find "^c2s" then client_errors[#client_errors + 1] = message end
end, { "error" })]]
local report = "> local lines = client_errors client_errors = nil return lines[1] or ''"

local function failure(ask, command)
  local ports, hosts = {}, {}
  for address, number, kind in command:gmatch "\nport (%S+) (%d+) (%S+)" do
    ports[#ports + 1] = { address = address, number = tonumber(number), is_tls = kind == "tls" }
  end
  for host in command:gmatch "\nhost ([^\n]+)" do hosts[#hosts + 1] = host end
  local suspect = failing(ports, hosts)[1]
  if suspect and ask(watch) then
    local again = failing(ports, { suspect })[1]
    local ok, reason = ask(report)
    if again and ok and reason ~= "" then return suspect .. "\t" .. reason end
  end
  return ""
end

local connect_alone = connect
local function connect(...)
  local ask, reason = connect_alone(...)
  if not ask then return nil, reason end
  return function(command)
    if not command:find "^client%-streams\n" then return ask(command) end
    local ok, found = pcall(failure, ask, command)
    return true, ok and found or ""
  end
end

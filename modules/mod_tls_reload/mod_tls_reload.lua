-- Makes a reload of certificates safe, and complete. The faults are in 0.12.3 and 13.0.1, with LuaSec 1.2 and 1.3.2.

module:set_global()

local certmanager = require "core.certmanager"
local portmanager = require "core.portmanager"

-- Safe: a reload ends no TLS handshake that is under way, and the whole server with it.
--
-- A connection that chose its TLS context by name (SNI, RFC 6066) goes back to it in each step of its handshake, but
-- LuaSec holds no reference to the context for it. The only one is in Prosody's map of names, where a reload puts new
-- contexts: once the old one is collected, the next step is in freed memory. So each connection gets a map of its own
-- until its handshake is over.

local methods = (debug.getregistry()["SSL:Connection"] or {}).__index or {}
local sni, dohandshake = methods.sni, methods.dohandshake
local maps = setmetatable({}, { __mode = "k" })

local function sni_with_own_map(connection, names, ...)
  if type(names) == "table" then
    local own = {}
    for name, context in pairs(names) do own[name] = context end
    maps[connection], names = own, own
  end
  return sni(connection, names, ...)
end

-- What is established needs no context any more, and may last for weeks.
local function dohandshake_and_forget(connection)
  local is_done, reason = dohandshake(connection)
  if is_done and maps[connection] then
    for name in pairs(maps[connection]) do maps[connection][name] = nil end
    maps[connection] = nil
  end
  return is_done, reason
end

if sni and dohandshake then
  methods.sni, methods.dohandshake = sni_with_own_map, dohandshake_and_forget
else
  module:log("warn", "This LuaSec has no such methods as are known; it is left as it is")
end

-- Complete: who names no host is served the new certificate, too.
--
-- For each port of direct TLS or HTTPS Prosody makes a new context, and hands it to the port, which keeps it in a field
-- that nothing reads. So ports get a method that puts it where new connections take theirs from.

local function set_context(port, context) port.tls_ctx = context end

local function each_tls_port(action)
  for _, _, _, _, active in portmanager.get_active_services():iter(nil, nil, nil, nil) do
    if active.server and active.server.tls_ctx then action(active.server) end
  end
end

-- Prosody's own handler is the last one.
module:hook("config-reloaded", function ()
  each_tls_port(function (port) port.set_sslctx = set_context end)
end)

-- True: the files that there are count, not those that there were at the last reload.
--
-- Prosody keeps a list of certificates by the names in them, and lists them anew after some of its modules have looked
-- there. Where a file is gone whose names another one has, too, as after a domain left the server that shared its
-- certificate with others, these would be without TLS until the next reload.

module:hook("config-reloaded", certmanager.reload_ssl_config, 1000)

function module.unload()
  if sni and dohandshake then methods.sni, methods.dohandshake = sni, dohandshake end
  each_tls_port(function (port) port.set_sslctx = nil end)
end

-- Lets no reload of certificates end a TLS handshake that is under way, and the whole server with it.
--
-- A connection that chose its TLS context by name (SNI, RFC 6066) goes back to it in each step of its handshake, but
-- LuaSec (1.2 and 1.3.2) holds no reference to the context for it. The only one is in Prosody's map of names, where a
-- reload puts new contexts: once the old one is collected, the next step is in freed memory. So each connection gets a
-- map of its own until its handshake is over.

module:set_global()

local methods = (debug.getregistry()["SSL:Connection"] or {}).__index or {}
local sni, dohandshake = methods.sni, methods.dohandshake
if not sni or not dohandshake then
  module:log("warn", "This LuaSec has no such methods as are known; it is left as it is")
  return
end

local maps = setmetatable({}, { __mode = "k" })

function methods.sni(connection, names, ...)
  if type(names) == "table" then
    local own = {}
    for name, context in pairs(names) do own[name] = context end
    maps[connection], names = own, own
  end
  return sni(connection, names, ...)
end

-- What is established needs no context any more, and may last for weeks.
function methods.dohandshake(connection)
  local is_done, reason = dohandshake(connection)
  if is_done and maps[connection] then
    for name in pairs(maps[connection]) do maps[connection][name] = nil end
    maps[connection] = nil
  end
  return is_done, reason
end

function module.unload()
  methods.sni, methods.dohandshake = sni, dohandshake
end

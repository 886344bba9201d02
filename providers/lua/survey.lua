-- Prints what a backup or a restore has to know of a server, as JSON; after wire, common, prosody and databases.

local loaded, reason = pcall(load_prosody)
if not loaded then
  io.write('{"unreadable":', json_bytes(reason), "}\n")
  os.exit(0)
end
local files, databases, others = storages()
local open = list {}
for _, database in ipairs(databases) do
  open[#open + 1] = { driver = database.driver, database = database.database, host = database.host, port = database.port }
end
local hosts = {}
for host, component in pairs(configured_hosts()) do hosts[host] = component end
io.write(json {
  version = prosody.version, data = prosody.paths.data, hosts = hosts, files = files, databases = open,
  others = list(others),
}, "\n")

-- Puts a received backup in place that has a dump of PostgreSQL; after wire, common, prosody and databases.
-- Input: the script that does it (`place` in backup/scripts.ts) and runs LOAD while Prosody is stopped; the stage,
-- which the script removes

local place, stage = field(), field()
load_prosody(true)
local _, databases = storages()
enter(stage)

for _, database in ipairs(databases) do
  if database.driver == "PostgreSQL" then
    -- One transaction: what fails leaves the database as it is. Terse: no error quotes data. As Prosody's user: what psql
    -- takes for its own commands runs programs, and a dump is as good as the server that it is of.
    local psql = postgresql("runuser -u prosody -- psql", database, "sql/.password")
    local load = "cd /proc/self/fd/7 && set -- sql/*.sql && " .. psql
      .. ' --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse --single-transaction -f - < "$1" 7<&- 9>&-'
    local _, _, code = os.execute("LOAD=" .. quote(load) .. " sh -c " .. quote(place))
    os.exit(code)
  end
end
io.stderr:write("the server's configuration has no PostgreSQL any more\n")
os.exit(1)

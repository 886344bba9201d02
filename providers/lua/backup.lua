-- Collects all that a server consists of in one directory, and writes it to file descriptor 3 as a compressed tar
-- archive; after wire, common, prosody and databases.
--
-- Files of the storage are taken while Prosody is stopped, but only as hard links, which takes no time: Prosody
-- replaces files and never writes into them, except that it appends to lists, whose size is noted. Databases are
-- taken as they are at one moment, without a stop.
--
-- Input: the manifest, the script that collects (`collect` in backup/scripts.ts)

local manifest, collect = field(), field()
load_prosody(true)
local data = prosody.paths.data
local files, databases = storages()

local function run(command)
  local ok, _, code = os.execute(command)
  if not ok then error(code or 1, 0) end
end
local function write(name, text)
  local file = assert(io.open(name, "w"))
  assert(file:write(text))
  assert(file:close())
end

local stage = data .. "/.prosody-pulumi-backup"

-- Of a database that is not Prosody's, be it by a link, a restore would make Prosody's.
local function copy_sqlite(database)
  local lfs = require "lfs"
  if lfs.attributes(database).uid ~= lfs.attributes(data).uid then
    error(database .. " is not Prosody's. Give it to Prosody (chown prosody:prosody)", 0)
  end
  local place = "./data/" .. database:sub(#data + 2)
  run("umask 077; mkdir -p " .. quote(place:match "^(.*)/"))
  local statement = "VACUUM INTO " .. quote(place):gsub("'\\''", "''")
  local has, lsqlite3 = pcall(require, "lsqlite3")
  if has then
    local handle = assert(lsqlite3.open(database))
    handle:busy_timeout(60000)
    if handle:exec(statement) ~= lsqlite3.OK then error(database .. ": " .. handle:errmsg(), 0) end
    handle:close()
  else
    local dbi = require "DBI"
    local handle = assert(dbi.Connect("SQLite3", database))
    handle:autocommit(true) -- VACUUM is not possible in a transaction
    assert(dbi.Do(handle, statement))
    handle:close()
  end
  run("chown --reference=" .. quote(database) .. " " .. quote(place) .. " && chmod --reference=" .. quote(database) .. " " .. quote(place))
end

-- The password is in a file that is gone before the archive is written.
local function dump_postgresql(database, index)
  local pass = "./.password"
  run "umask 077; mkdir -p sql"
  run(postgresql("pg_dump", database, pass) .. " --no-owner --no-privileges --clean --if-exists --file="
    .. quote(("./sql/%d.sql"):format(index)))
  os.remove(pass)
end

local function main()
  run("umask 077; rm -rf " .. quote(stage) .. " && mkdir " .. quote(stage))
  enter(stage)
  run "umask 077; mkdir data"
  write("./manifest.json", manifest)
  local sqlite = {}
  for index, database in ipairs(databases) do
    if database.driver == "SQLite3" then
      if database.database:sub(1, #data + 1) ~= data .. "/" then
        error(database.database .. " is outside of " .. data .. ", where a backup does not look", 0)
      end
      sqlite[#sqlite + 1] = database.database:sub(#data + 2)
      if io.open(database.database) then copy_sqlite(database.database) end
    elseif database.driver == "PostgreSQL" then
      dump_postgresql(database, index)
    else
      error("databases of " .. database.driver .. " can't be backed up", 0)
    end
  end
  write("./.sqlite", table.concat(sqlite, "\n") .. "\n")

  run(("STAGE=%s DATA=%s CONFIG=%s STOP=%s sh -c %s"):format(
    quote(stage), quote(data), quote(prosody.paths.config), tostring(files), quote(collect)))
end

local ok, reason = pcall(main)
if not ok then
  require "lfs".chdir "/"
  os.execute("rm -rf " .. quote(stage))
  if type(reason) == "string" then io.stderr:write(reason, "\n") end
  os.exit(type(reason) == "number" and reason > 0 and reason or 1)
end

-- Prosody's own libraries outside of the server, as prosodyctl loads them: whatever the storage, no server needed.

local startup

-- Calls keep(directory) for each entry of a list of paths, and returns those that it keeps.
local function filtered(paths, keep)
  local kept = {}
  for entry in paths:gmatch "[^;]+" do
    if keep(entry:match "^[^?]*") then kept[#kept + 1] = entry end
  end
  return table.concat(kept, ";")
end

local function absolute(paths)
  return filtered(paths, function(directory) return directory:sub(1, 1) == "/" end)
end

local groups -- of Prosody's user

-- Whether Prosody's user can put nothing into a directory, nor another directory in its place.
local function is_roots(directory)
  if directory:sub(1, 1) ~= "/" then return false end
  local lfs = require "lfs"
  local process = io.popen("readlink -m -- '" .. directory:gsub("'", "'\\''") .. "'")
  local path = process:read("*l")
  process:close()
  if not path then return false end
  if not groups then
    groups = {}
    for id in io.popen("id -G prosody 2>/dev/null"):read("*a"):gmatch "%d+" do groups[tonumber(id)] = true end
  end
  while path ~= "" do
    local found = lfs.attributes(path) -- where it is missing, those above say who could make it
    local mode = found and found.permissions
    if found and (found.uid ~= 0 or mode:sub(8, 8) == "w" or mode:sub(5, 5) == "w" and groups[found.gid]) then return false end
    path = path:match "^(.*)/"
  end
  return true
end

local all_places

-- Leaves out all places of code that Prosody's user can write to, such as those of modules that `prosodyctl install` brings:
-- what is loaded from now on runs as root.
local function load_roots_alone()
  all_places = { package.path, package.cpath, CFG_PLUGINDIR }
  package.path, package.cpath = filtered(package.path, is_roots), filtered(package.cpath, is_roots)
  CFG_PLUGINDIR = filtered(CFG_PLUGINDIR, is_roots)
  prosody.paths.plugins = CFG_PLUGINDIR
end

-- Lets single libraries be required.
local function find_libraries()
  for line in io.lines(os.getenv "PROSODYCTL") do
    local name, value = line:match "^(CFG_%u+)%s*=%s*['\"](.-)['\"]"
    if name then _G[name] = value end
  end
  assert(CFG_SOURCEDIR, "prosodyctl does not say where Prosody's libraries are")
  package.path = CFG_SOURCEDIR .. "/?.lua;" .. package.path
  package.cpath = CFG_SOURCEDIR .. "/?.so;" .. package.cpath
  -- Prosody goes to its data directory, where its user could put a library.
  package.path, package.cpath = absolute(package.path), absolute(package.cpath)
  if not pcall(require, "prosody.loader") then pcall(require, "loader") end
end

-- Loads libraries and configuration, `file` or the usual one. With `as_root` the process stays root until
-- become_prosody(), and finds no module in a directory that is_roots() is not content with.
-- Raises an error when Prosody can't read its configuration.
local function load_prosody(as_root, file)
  find_libraries()
  arg = { "--silent" }
  if file then arg = { "--config", file, "--silent" } end
  if as_root then arg[#arg + 1] = "--root" end
  local exit, print_ = os.exit, print
  os.exit = function() error("Prosody can't read its configuration; `prosodyctl check config` says why", 0) end
  print = function() end
  local ok, reason = pcall(function()
    startup = require "util.startup"
    local chdir = startup.chdir
    function startup.chdir()
      -- By now it knows all places that the configuration names.
      if as_root then load_roots_alone() end
      chdir()
    end
    startup.prosodyctl()
  end)
  os.exit, print = exit, print_
  if not ok then error(reason, 0) end
end

-- From here on the process is the user that the server runs as, so that what it writes belongs to that user.
local function become_prosody()
  prosody.opts.root = nil
  startup.switch_user()
  package.path, package.cpath, CFG_PLUGINDIR = all_places[1], all_places[2], all_places[3]
  prosody.paths.plugins = CFG_PLUGINDIR
end

local prepared = {}

-- Makes the storage of a virtual host usable, be it configured or not.
local function prepare_host(host)
  if prepared[host] then return end
  prepared[host] = true
  -- Each with events of its own: prosodyctl's hosts share theirs, so that one host's storage replaces another's.
  prosody.hosts[host] = {
    type = "local", modules = {}, sessions = {},
    events = require "util.events".new(),
    users = require "core.usermanager".new_null_provider(host),
  }
  require "core.storagemanager".initialize_host(host)
end

-- Makes what usermanager does with accounts usable, too.
local function prepare_accounts(host)
  prepare_host(host)
  if prosody.hosts[host].users.name == "null" then require "core.usermanager".initialize_host(host) end
end

local function is_configured(host)
  local config = require "core.configmanager".getconfig()
  return rawget(config, host) ~= nil and host ~= "*"
end

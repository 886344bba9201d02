-- Accounts that live for one run of `npm run verify`. Runs in the server, after accounts.lua, through the admin shell.
-- A name tells when it was made, so that the next run can remove what a killed run has left.

local storagemanager = require "core.storagemanager"
local usermanager = require "core.usermanager"
local jid_split = require "util.jid".split

local function tag_of(name)
  return name and name:match "^(verify%-%x%x%x%x%x%x%x%x%-%x%x%x%x%x%x)"
end

-- Removes what belongs to one run or, without its tag, to runs that began so many seconds ago.
local function is_waste(name, tag, age)
  local found = tag_of(name)
  if tag then return found == tag end
  return found ~= nil and os.time() - tonumber(found:sub(8, 15), 16) > age
end

-- What a deletion leaves: the days on which the archive of an account or room is to be looked at.
local function forget_cleanup(host, store, names)
  local map = storagemanager.open(host, store, "map")
  for days = 0, 1 do
    local date = os.date("!%Y-%m-%d", os.time() - days * 86400)
    for _, name in ipairs(names) do map:set(date, name, nil) end
  end
end

local function remove_rooms(muc, host, tag, age)
  local waste = {}
  for room in muc.all_rooms() do
    if is_waste(jid_split(room.jid), tag, age) then waste[#waste + 1] = room end
  end
  for _, room in ipairs(waste) do
    room:set_persistent(false) -- or a tombstone would stay
    room:destroy()
  end
  local names = {}
  for _, room in ipairs(waste) do names[#names + 1] = jid_split(room.jid) end
  for _, name in ipairs(names) do
    local archive = storagemanager.open(host, "muc_log", "archive")
    if archive.delete then archive:delete(name) end
    storagemanager.open(host, "vcard_muc"):set(name, nil)
  end
  forget_cleanup(host, "muc_log_cleanup", names)
end

local function remove_uploads(host, tag, age)
  local uploads = storagemanager.open(host, "uploads", "archive")
  local ids = {}
  for id, _, _, uploader in uploads:find(nil) or function() end do
    if is_waste(jid_split(uploader), tag, age) then
      os.remove(storagemanager.olddm.getpath(id, host, "http_file_share", "bin"))
      ids[#ids + 1] = id
    end
  end
  for _, id in ipairs(ids) do uploads:delete(nil, { key = id }) end
end

function throw_away(tag, age)
  for host, session in pairs(prosody.hosts) do
    if session.modules.muc then remove_rooms(session.modules.muc, host, tag, age) end
    if session.modules.http_file_share then remove_uploads(host, tag, age) end
    if session.type == "local" and session.users and session.users.users then
      local names = {}
      for name in usermanager.users(host) do
        if is_waste(name, tag, age) then names[#names + 1] = name end
      end
      for _, name in ipairs(names) do usermanager.delete_user(name, host) end
      forget_cleanup(host, "archive_cleanup", names)
    end
  end
end

-- The tag of a new run, after leftovers are gone.
function throw_away_begin(random, age)
  throw_away(nil, age)
  return ("verify-%08x-%s"):format(os.time(), random)
end

function throw_away_make(host, tag, password, numbers)
  for _, number in ipairs(numbers) do set_account(tag .. "-" .. number, host, password, false) end
end

-- Rights of an administrator for one of the accounts, so that it may do what only administrators may. Prosody 0.12 has
-- no way to give them without its configuration.
function throw_away_promote(host, name)
  if not usermanager.set_user_role then return false end
  return (usermanager.set_user_role(name, host, "prosody:admin")) ~= nil
end

-- The token of an invitation for that name, and the address of its page, if there is one.
function throw_away_invite(host, name)
  local invites = prosody.hosts[host].modules.invites
  if not invites then return nil end
  local invite = invites.create_account(name, {}, 600)
  return invite.token .. " " .. (invite.landing_page or "")
end

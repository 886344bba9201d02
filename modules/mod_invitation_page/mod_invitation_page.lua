-- A page for each invitation to make an account (XEP-0401): what it is for, how to use it in an app, and a form that
-- makes the account in the browser. It needs nothing but what this server has, and mostly no JavaScript either.

local encodings = require "util.encodings"
local usermanager = require "core.usermanager"
local modulemanager = require "core.modulemanager"
local jid_node = require "util.jid".node
local form_of = require "util.http".formdecode
local escape = require "util.stanza".xml_escape
local render = require "util.interpolation".new("%b{}", escape)

module:depends "http"
module:depends "invites_register"
local invites = module:depends "invites"
local tokens = module:open_store("invite_token", "map")

-- Where the invited person finds the server's pages; without it, at the port that Prosody opens.
local public_port = module:get_option_number("pages_port")
-- As mod_register_ibr has it, for accounts that are made in an app.
local role = module:get_option_string("register_ibr_default_role", "prosody:registered")
local shortest_password = 8

-- Read whenever it is asked for, so that a repaired file is served at once.
local function file(name)
  local resource = assert(module:load_resource(name))
  local text = resource:read "*a"
  resource:close()
  return text
end

local function url_of(app, path)
  local url = module:http_url(app, path)
  if public_port then
    url = url:gsub(":%d+/", public_port == 443 and "/" or (":%d/"):format(public_port), 1)
  end
  return url .. "/"
end

-- The only name that an invitation is good for, if it is for one.
local function name_in(stored)
  return stored and stored.type == "register" and jid_node(stored.jid) or nil
end

module:hook("invite-created", function(invite)
  -- Prosody 13 has an option for a page elsewhere; an invitation of contacts alone is in no store that a page can read.
  if invite.landing_page or not invite.allow_registration or module:get_option_string "invites_page" then return end
  invite.landing_page = url_of("invitation_page", "/invite") .. "?" .. invite.token
end)

-- In an app, too, an invitation for one name makes no account of another.
module:hook("user-registering", function(event)
  local invite = event.validated_invite or event.session and event.session.validated_invite
  local name = invite and name_in(tokens:get(nil, invite.token))
  if name and name ~= event.username then
    event.allowed = false
    event.reason = "This invitation is for the name " .. name .. "."
  end
end)

local security = table.concat({
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src data:", "form-action 'self'",
  "base-uri 'none'", "frame-ancestors 'none'",
}, "; ")

local function answer(event, status, view)
  local response = event.response
  response.status_code = status
  response.headers.content_type = "text/html; charset=utf-8"
  response.headers.content_security_policy = security
  response.headers.referrer_policy = "no-referrer"
  response.headers.x_content_type_options = "nosniff"
  response.headers.cache_control = "no-store"
  view.host = module.host
  view.web_client = modulemanager.is_loaded(module.host, "web_client") and url_of("web_client", "/chat")
  return render(file "page.html", view)
end

local function unusable(event, reason)
  if reason == "token-expired" then
    return answer(event, 410, { title = "This invitation has expired", expired = true })
  end
  return answer(event, 404, { title = "This invitation can’t be used", unknown = true })
end

local function show(event, status, invite, more)
  local stored = tokens:get(nil, invite.token) or {}
  local name = name_in(stored)
  local reset = invite.additional_data and invite.additional_data.allow_reset
  local title = "You are invited to " .. module.host
  if reset then
    title = "A new password for " .. reset .. "@" .. module.host
  elseif invite.inviter then
    title = invite.inviter .. "@" .. module.host .. " invites you"
  end
  local view = {
    title = title,
    invite = not reset,
    form = true,
    once = not invite.reusable,
    given = "",
    token = invite.token,
    uri = invite.uri,
    name = name,
    inviter = invite.inviter,
    reset = reset,
    shortest = shortest_password,
    expires = stored.expires and os.date("!%Y-%m-%d %H:%M UTC", stored.expires),
    expires_iso = stored.expires and os.date("!%Y-%m-%dT%H:%MZ", stored.expires),
  }
  for key, value in pairs(more or {}) do view[key] = value end
  return answer(event, status, view)
end

-- What is wrong with a password, if anything is.
local function objection(password, name)
  local length = encodings.utf8.length(password)
  if not length or not encodings.stringprep.saslprep(password) then
    return "The password has characters that can’t be used. Choose another one."
  elseif length < shortest_password then
    return ("The password is too short: it needs at least %d characters."):format(shortest_password)
  elseif #name > 3 and password:lower():find(name, 1, true) then
    return "The password must not contain the name."
  end
  local policy = modulemanager.get_module(module.host, "password_policy")
  if policy then
    local ok, why = policy.check_password(password, { username = name })
    return not ok and why or nil
  end
end

local function make_account(name, password)
  -- Prosody 0.12 has no roles of this kind.
  local create = usermanager.create_user_with_role or usermanager.create_user
  return create(name, password, module.host, role)
end

local function register(event)
  local request = event.request
  local invite, reason = invites.get(request.url.query)
  if not invite then return unusable(event, reason) end
  local form = form_of(request.body or "") or {}
  local given, password = form.name or "", form.password or ""
  local function refuse(status, field, text)
    return show(event, status, invite, { given = given, problem = text, [field .. "_problem"] = true })
  end

  local domain = "@" .. module.host
  if given:sub(-#domain):lower() == domain then given = given:sub(1, -#domain - 1) end
  local name = name_in(tokens:get(nil, invite.token)) or encodings.stringprep.nodeprep(given, true)
  if not name or name == "" then
    return refuse(422, "name", "Choose a name without spaces and without any of \" & ' / : < > @.")
  end
  local why = objection(password, name)
  if why then return refuse(422, "password", why) end
  if password ~= form.again then return refuse(422, "again", "The two passwords differ. Type them again.") end

  local user = {
    username = name, host = module.host, ip = request.ip, validated_invite = invite, source = "mod_" .. module.name,
    allowed = true,
  }
  module:fire_event("user-registering", user)
  if not user.allowed then return refuse(403, "name", user.reason or "The server does not allow this account.") end

  local exists = usermanager.user_exists(name, module.host)
  if exists and user.allow_reset ~= name then
    return refuse(409, "name", "Somebody has the name " .. name .. " already. Choose another one.")
  end
  local change = exists and usermanager.set_password or make_account
  local ok, err = change(name, password, module.host)
  if not ok then
    module:log("error", "Account %s@%s of an invitation: %s", name, module.host, err)
    return refuse(500, "name", "The server could not do this. Try another name, or again later.")
  end
  module:fire_event(exists and "user-password-reset" or "user-registered", user)
  local title = exists and "Your new password is set" or "Your account is ready"
  return answer(event, 200, { title = title, done = true, name = name })
end

local function static(name, content_type)
  return function(event)
    event.response.headers.content_type = content_type
    event.response.headers.x_content_type_options = "nosniff"
    event.response.headers.cache_control = "max-age=3600"
    return file(name)
  end
end

module:provides("http", {
  default_path = "/invite",
  cors = { enabled = false },
  route = {
    ["GET /"] = function(event)
      local invite, reason = invites.get(event.request.url.query)
      if not invite then return unusable(event, reason) end
      return show(event, 200, invite)
    end,
    ["POST /"] = register,
    ["GET /page.css"] = static("page.css", "text/css; charset=utf-8"),
    ["GET /page.mjs"] = static("page.mjs", "text/javascript; charset=utf-8"),
    ["GET /uqr.mjs"] = static("uqr.mjs", "text/javascript; charset=utf-8"),
  },
})

-- Converse.js (https://conversejs.org) for the accounts of this host, served from a directory: a page, its settings, and
-- the files of the package. The page may talk to this server and to no other.

local files = require "net.http.files"
local json = require "util.json"
local escape = require "util.stanza".xml_escape
local render = require "util.interpolation".new("%b{}", escape)

module:depends "http"
module:depends "websocket"

local directory = assert(module:get_option_string "web_client_dir", "web_client_dir is not set")
-- Part of every address of its files: other files have other addresses, so that browsers may keep them.
local version = directory:match "[^/]+$"
local name = module:get_option_string("http_host", module.host)
-- What comes before the host's name for uploads, if it has any.
local label = module:get_option_string "web_client_uploads"
local uploads = label and label .. "." .. name

local here = "'self'" .. (uploads and (" https://%s:*"):format(uploads) or "")
local security = table.concat({
  "default-src 'none'",
  -- OMEMO's cryptography is compiled to WebAssembly.
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  -- Older browsers don't take a WebSocket of the same host for their own.
  ("connect-src %s wss://%s:*"):format(here, name),
  ("img-src %s data: blob:"):format(here),
  ("media-src %s data: blob:"):format(here),
  "font-src 'self'",
  "worker-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
}, "; ")

-- Read whenever it is asked for, so that a repaired file is served at once.
local function file(path)
  local resource = assert(module:load_resource(path))
  local text = resource:read "*a"
  resource:close()
  return text
end

local function head(event, cache, content_type)
  local headers = event.response.headers
  headers.content_type = content_type
  headers.cache_control = cache
  headers.referrer_policy = "no-referrer"
  headers.x_content_type_options = "nosniff"
  return headers
end

local package = files.serve {
  path = directory,
  mime_map = {
    css = "text/css; charset=utf-8", js = "text/javascript; charset=utf-8", json = "application/json",
    wasm = "application/wasm", ico = "image/x-icon", png = "image/png", svg = "image/svg+xml", mp3 = "audio/mpeg",
    ogg = "audio/ogg", ttf = "font/ttf",
  },
}

module:provides("http", {
  default_path = "/chat",
  cors = { enabled = false },
  route = {
    ["GET /"] = function(event)
      head(event, "no-cache", "text/html; charset=utf-8").content_security_policy = security
      local settings = json.encode { domain = module.host, uploads = uploads or "", version = version }
      return render(file "client.html", { host = module.host, version = version, settings = settings })
    end,
    ["GET /client.mjs"] = function(event)
      head(event, "no-cache", "text/javascript; charset=utf-8")
      return file "client.mjs"
    end,
    ["GET /" .. version .. "/*"] = function(event, path)
      head(event, "max-age=86400")
      return package(event, path)
    end,
  },
})

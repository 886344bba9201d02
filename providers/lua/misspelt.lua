-- Which options no code reads: Prosody takes a misspelt one without a word.
-- Runs after common.lua and prosody.lua.

-- Adds the names of the options that a source reads, each a literal, to `options`.
local function options_in(text, options)
  for option in text:gmatch "get_option[%w_]*%s*%(?%s*[\"']([%w_]+)[\"']" do options[#options + 1] = option end
  for option in text:gmatch "config%.r?a?w?get%s*%([^,()]+,%s*[\"']([%w_]+)[\"']" do options[#options + 1] = option end
end

local function sources_below(directory, found, depth)
  local lfs = require "lfs"
  if lfs.attributes(directory, "mode") ~= "directory" then return found end
  for entry in lfs.dir(directory) do
    local path = directory .. "/" .. entry
    if entry:match "%.lua$" then
      found[#found + 1] = path
    elseif not entry:match "^%." and depth < 3 and lfs.attributes(path, "mode") == "directory" then
      sources_below(path, found, depth + 1)
    end
  end
  return found
end

-- Options of a configuration whose names are in no source on the host, those of modules that are not loaded included; and
-- all names that some source reads, which one of them may have been meant to be. Names that core.portmanager makes up are
-- in no source.
local function unread(configuration, reads)
  local open, known = {}, list {}
  for _, options in pairs(configuration) do
    for name in pairs(options) do
      if not name:match "_ports?$" and not name:match "_interfaces?$" and not name:match "_ssl$" then open[name] = true end
    end
  end
  for _, options in pairs(reads) do
    for _, name in ipairs(options) do
      open[name] = nil
      known[#known + 1] = name
    end
  end
  local directories = {}
  for _, name in ipairs { "core", "util", "net", "prosody" } do directories[#directories + 1] = CFG_SOURCEDIR .. "/" .. name end
  for directory in tostring(prosody.paths.plugins):gmatch "[^;]+" do directories[#directories + 1] = directory end
  local function each_source(visit)
    for _, directory in ipairs(directories) do
      for _, path in ipairs(next(open) and sources_below(directory, {}, 0) or {}) do
        local source = next(open) and io.open(path)
        if source then
          visit(source:read "*a" or "")
          source:close()
        end
      end
    end
  end
  each_source(function(text)
    for name in pairs(open) do
      -- The first is many times as quick, and nearly always enough.
      if text:find(name, 1, true) and text:find("%f[%w_]" .. name .. "%f[^%w_]") then open[name] = nil end
    end
  end)
  each_source(function(text) options_in(text, known) end) -- none, where every option was found
  local unknown = list {}
  for name in pairs(open) do unknown[#unknown + 1] = name end
  return { unknown = unknown, known = #unknown > 0 and known or list {} }
end

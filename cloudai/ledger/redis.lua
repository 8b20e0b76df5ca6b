-- The ledger in Redis: one script, one atomic step. ARGV[1] names the step; KEYS[1] is the prefix of all keys.
-- Entries are hashes PREFIX:a:ID; PREFIX:at orders them by instant, PREFIX:open by when they expire.
-- A window (a limit in a period) is a hash PREFIX:w:KEY; PREFIX:windows orders their keys by their end.
-- Numbers are whole and below 2^53, where doubles are exact.
local prefix, step = KEYS[1], ARGV[1]
local function key(...) return table.concat({ prefix, ... }, ':') end
local function get(entry, field) return redis.call('HGET', key('a', entry), field) end
local function number(text) return tonumber(text) or 0 end
local function whole(amount) return string.format('%.0f', amount + 0) end  -- never '-0'
local function service(operation) return string.match(operation, '^[^.]*') .. '.*' end

local function matches(window, operation, backend, tag)
  local pattern = window.operation
  return (window.tag == '' or window.tag == tag) and (window.backend == '' or window.backend == backend)
    and (pattern == '*' or pattern == operation or pattern == service(operation))
end

local function load(name)
  local flat, window = redis.call('HGETALL', key('w', name)), {}
  for i = 1, #flat, 2 do window[flat[i]] = flat[i + 1] end
  return window
end

-- Calls visit(name) for each window that an attempt of that instant counts in.
local function each_window(at, operation, backend, tag, visit)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('windows'), '(' .. at, '+inf')) do
    local window = load(name)
    if number(window.starts) <= number(at) and matches(window, operation, backend, tag) then visit(name) end
  end
end

-- A limit that is new here: the sum of what is there already.
local function seed(name, window)
  local spent, reserved = 0, 0
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('at'), window.starts, '(' .. window.ends)) do
    local a = redis.call('HMGET', key('a', entry), 'operation', 'backend', 'tag', 'state', 'cost', 'bound')
    if a[1] and matches(window, a[1], a[2], a[3]) then
      if a[4] == '1' or a[4] == '3' then spent = spent + number(a[5]) end
      if a[4] == '0' then reserved = reserved + number(a[6]) end
    end
  end
  redis.call('HSET', key('w', name), 'starts', window.starts, 'ends', window.ends, 'tag', window.tag, 'backend',
    window.backend, 'operation', window.operation, 'spent', whole(spent), 'reserved',
    whole(reserved), 'warned', 0)
  redis.call('ZADD', key('windows'), window.ends, name)
end

local function ensure(window)
  local name = cjson.encode({ window.scope, window.starts, window.ends })
  if redis.call('EXISTS', key('w', name)) == 0 then seed(name, window) end
  return name
end

local function standing(name)
  local two = redis.call('HMGET', key('w', name), 'spent', 'reserved')
  return { two[1], two[2] }
end

local function move(entry, spent, reserved)
  local a = redis.call('HMGET', key('a', entry), 'at', 'operation', 'backend', 'tag')
  each_window(a[1], a[2], a[3], a[4], function(name)
    redis.call('HINCRBY', key('w', name), 'spent', whole(spent))
    redis.call('HINCRBY', key('w', name), 'reserved', whole(reserved))
  end)
end

local function set(entry, state, cost)
  redis.call('HSET', key('a', entry), 'state', state, 'cost', cost)
end

-- Ends a reservation, or corrects one that is unknown; one that was settled stays as it is.
local function settle(entry, state, cost)
  local was = get(entry, 'state')
  if was == '0' then
    move(entry, number(cost), -number(get(entry, 'bound')))
    redis.call('ZREM', key('open'), entry)
    set(entry, state, cost)
  elseif was == '3' then
    move(entry, number(cost) - number(get(entry, 'cost')), 0)
    set(entry, state, cost)
  end
end

local function record(text, at)
  if text == '' then return end
  redis.call('ZADD', key('calls'), at, redis.call('INCR', key('call')) .. ' ' .. text)
end

if step == 'reserve' then
  local ask = cjson.decode(ARGV[2])
  local before, refused = {}, false
  for _, window in ipairs(ask.windows) do
    local now = standing(ensure(window))
    before[#before + 1] = now
    local left = number(window.amount) - number(now[1]) - number(now[2])
    local room = ask.bound == '0' or (ask.bound == '' and left >= 1) or (ask.bound ~= '' and left >= number(ask.bound))
    refused = refused or not room
  end
  if refused and ask.enforce then return { '', before } end
  local entry = redis.call('INCR', key('id'))
  redis.call('HSET', key('a', entry), 'at', ask.at, 'call_id', ask.call_id, 'attempt', ask.attempt, 'operation',
    ask.operation, 'backend', ask.backend, 'provider', ask.provider, 'region', ask.region, 'tag', ask.tag, 'bound',
    ask.bound, 'cost', '', 'state', 0)
  redis.call('ZADD', key('at'), ask.at, entry)
  redis.call('ZADD', key('open'), ask.expires, entry)
  move(entry, 0, number(ask.bound))
  return { tostring(entry), before }
elseif step == 'settle' then
  settle(ARGV[2], ARGV[3], ARGV[4])
  record(ARGV[5], ARGV[6])
elseif step == 'record' then
  record(ARGV[2], ARGV[3])
elseif step == 'expire' then
  local late = redis.call('ZRANGEBYSCORE', key('open'), '-inf', ARGV[2], 'LIMIT', 0, 500)
  for _, entry in ipairs(late) do settle(entry, 3, get(entry, 'bound')) end
  return #late
elseif step == 'adjust' then
  if get(ARGV[2], 'state') ~= '3' then return 0 end
  settle(ARGV[2], 1, ARGV[3])
  return 1
elseif step == 'warned' then
  local name = ensure(cjson.decode(ARGV[2]))
  if number(redis.call('HGET', key('w', name), 'warned')) >= number(ARGV[3]) then return 0 end
  redis.call('HSET', key('w', name), 'warned', ARGV[3])
  return 1
elseif step == 'standing' then
  local found = {}
  for _, window in ipairs(cjson.decode(ARGV[2])) do found[#found + 1] = standing(ensure(window)) end
  return found
elseif step == 'prune' then
  local old = redis.call('ZRANGEBYSCORE', key('at'), '-inf', '(' .. ARGV[2], 'LIMIT', 0, 500)
  for _, entry in ipairs(old) do
    if get(entry, 'state') == '0' then settle(entry, 3, get(entry, 'bound')) end
    redis.call('DEL', key('a', entry))
    redis.call('ZREM', key('at'), entry)
  end
  redis.call('ZREMRANGEBYSCORE', key('calls'), '-inf', '(' .. ARGV[2])
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('windows'), '-inf', '(' .. ARGV[2])) do
    redis.call('DEL', key('w', name))
    redis.call('ZREM', key('windows'), name)
  end
  return #old
end
return 0

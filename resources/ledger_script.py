"""The ledger's one script: it runs in Redis, atomically, whenever a tenant tells its row.

A tenant's row replaces the one that Redis had of it, so that a broker that lost its data is whole
again after a second. A wait is a part of the row. Whoever calls clears away the dead, and moves
the line on: the head is woken when it fits, and granted when it is the caller; when it does not
fit, idle models that would make room are asked for. Only the head is ever served.

The head fits when its wish and all that is held stay within the capacity; or when there is nothing
left to wait for, because nobody else works and nothing can be evicted: then it runs alone.

Keys: rows, waiting, models, devices. Arguments: the tenant, its row and its models as JSON, the
device's name, its capacity in MiB, how long an untold row counts and what a level of priority is
worth in ms, the least age of the server in s, and the prefix of the tenants' inboxes.
Answer: the working MiB granted, or -1; since when the tenant waits; the server's time, both in ms;
and how much of its own spare models the tenant should evict, in MiB.
"""

EXCHANGE = """
local rows_key, waiting_key, models_key, devices_key = unpack(KEYS)
local me, mine, my_models, device = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
local capacity, ttl_ms, level_ms, settled_s = unpack({
  tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])})
local inbox = ARGV[9]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local rows, used = {}, mine.residentMiB + mine.workingMiB
local told = redis.call('HGETALL', rows_key)
for i = 1, #told, 2 do
  local tenant, row = told[i], cjson.decode(told[i + 1])
  if tenant ~= me and now_ms - row.seenMs > ttl_ms then
    redis.call('HDEL', rows_key, tenant)
    redis.call('HDEL', models_key, tenant)
    redis.call('ZREM', waiting_key, tenant)
  elseif tenant ~= me then
    rows[tenant] = row
    used = used + row.residentMiB + row.workingMiB
  end
end

mine.seenMs = now_ms
rows[me] = mine
if mine.phase == 'waiting' then
  if mine.sinceMs == 0 then mine.sinceMs = now_ms end
  redis.call('ZADD', waiting_key, mine.sinceMs - mine.priority * level_ms, me)
else
  redis.call('ZREM', waiting_key, me)
end

local function first_in_line()
  while true do
    local head = redis.call('ZRANGE', waiting_key, 0, 0)[1]
    if not head or rows[head] then return head end
    redis.call('ZREM', waiting_key, head)
  end
end

local function tell(tenant, word)
  if redis.call('LLEN', inbox .. tenant) == 0 then
    redis.call('RPUSH', inbox .. tenant, word)
    redis.call('PEXPIRE', inbox .. tenant, ttl_ms)
  end
end

local function offered(tenant, head, kind)
  -- What the head itself will need it keeps, while it is the head.
  local row = rows[tenant]
  return (tenant == head and row.spare or row.offers)[kind]
end

local function nothing_to_wait_for(head)
  for tenant, row in pairs(rows) do
    if row.phase == 'working' then return false end
    if offered(tenant, head, 'cool') + offered(tenant, head, 'warm') > 0 then return false end
  end
  return true
end

local function settled()
  -- A server that has just begun may have lost rows that their tenants are about to tell again.
  local info = redis.pcall('INFO', 'server')
  local age_s = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return not age_s or tonumber(age_s) >= settled_s
end

local function asked_for(head, lack)
  local tenants, asked = {}, {}
  for tenant in pairs(rows) do tenants[#tenants + 1] = tenant end
  table.sort(tenants, function(a, b) return rows[a].idleS > rows[b].idleS end)
  for _, kind in ipairs({'cool', 'warm'}) do
    for _, tenant in ipairs(tenants) do
      local part = math.min(lack, offered(tenant, head, kind))
      if part > 0 then
        asked[tenant] = (asked[tenant] or 0) + part
        lack = lack - part
      end
    end
  end
  return asked
end

local granted, spare = -1, 0
while true do
  local head = first_in_line()
  if not head then break end
  local wants = rows[head].wantsMiB
  local lack = used + wants - capacity
  if lack > 0 and not nothing_to_wait_for(head) then
    for tenant, mib in pairs(asked_for(head, lack)) do
      if tenant == me and head == me then
        spare = mib
      else
        tell(tenant, 'evict ' .. mib .. ' ' .. rows[tenant].evictions)
      end
    end
    break
  end
  if head ~= me then
    tell(head, 'look')
    break
  end
  if not settled() then break end
  granted = math.max(0, math.min(wants, capacity - used))
  mine.phase, mine.workingMiB, mine.wantsMiB = 'working', granted, 0
  used = used + granted
  redis.call('ZREM', waiting_key, me)
end

redis.call('HSET', rows_key, me, cjson.encode(mine))
redis.call('HSET', models_key, me, my_models)
redis.call('SADD', devices_key, device)
return {tostring(granted), mine.sinceMs, now_ms, tostring(spare)}
"""

package limit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Both scripts take time from Redis, so the nodes' clocks need not agree. Numbers
// are whole microseconds since 2025, which a double holds exactly.
const scriptHead = `
local t = redis.call('TIME')
local now = (tonumber(t[1]) - 1735689600) * 1000000 + tonumber(t[2])
local interval, depth, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then tat = now end
if tat > now + depth then tat = now + depth end -- the clock of Redis went back
local function put(at)
  redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
end
`

var (
	// takeScript takes ARGV[3] tokens; with none it only looks.
	takeScript = redis.NewScript(scriptHead + `
local need = n
if need == 0 then need = 1 end
local over = tat - now + need * interval - depth
if over > 0 then
  return {0, over, math.floor((depth - (tat - now)) / interval)}
end
if n > 0 then
  tat = tat + n * interval
  put(tat)
end
return {1, 0, math.floor((depth - (tat - now)) / interval)}`)

	refundScript = redis.NewScript(scriptHead + `
tat = tat - n * interval
if tat <= now then redis.call('DEL', KEYS[1]) else put(tat) end
return 0`)
)

// Redis is a Limiter shared by all nodes that use the same Redis. Its errors mean
// that nothing was decided, so it belongs behind a [Fallback].
type Redis struct {
	client redis.UniversalClient
}

var quiet sync.Once

// OpenRedis makes a Redis from a URL such as redis://:password@host:6379/0,
// rediss://… or unix://…. It does not connect yet: a Redis that is down at the
// start is no reason not to start. No error carries the URL.
func OpenRedis(url string, timeout time.Duration) (*Redis, error) {
	opt, err := redis.ParseURL(url)
	if err != nil {
		// The cause quotes the URL, and the URL may hold a password.
		return nil, errors.New("parse the Redis URL: want redis://, rediss:// or unix://")
	}
	// The library otherwise writes every failed dial to standard error.
	quiet.Do(func() { redis.SetLogger(&logging.VoidLogger{}) })
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout = timeout, timeout, timeout
	opt.PoolTimeout = timeout
	opt.ContextTimeoutEnabled = true
	opt.MaxRetries = -1 // a repeated take would count twice
	opt.DialerRetries = 1
	opt.DisableIdentity = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return NewRedis(redis.NewClient(opt)), nil
}

// NewRedis makes a Redis on a client that the caller has set up. Close closes it.
func NewRedis(client redis.UniversalClient) *Redis { return &Redis{client: client} }

// Close closes the connections.
func (s *Redis) Close() error { return s.client.Close() }

// Take implements Limiter.
func (s *Redis) Take(ctx context.Context, key string, r Rate, n int) (Decision, error) {
	g, ask, d, err := admit(r, n)
	if !ask {
		return d, err
	}
	return s.ask(ctx, key, g, n)
}

// Peek implements Limiter.
func (s *Redis) Peek(ctx context.Context, key string, r Rate) (Decision, error) {
	g, ask, d, err := admit(r, 1)
	if !ask {
		return d, err
	}
	return s.ask(ctx, key, g, 0)
}

// Refund implements Limiter.
func (s *Redis) Refund(ctx context.Context, key string, r Rate, n int) error {
	g, ask, _, err := admit(r, n)
	if !ask {
		return err
	}
	if err := refundScript.Run(ctx, s.client, []string{redisKey(key)}, g.args(n)...).Err(); err != nil {
		return fmt.Errorf("refund in redis: %w", err)
	}
	return nil
}

// Reset implements Limiter.
func (s *Redis) Reset(ctx context.Context, key string) error {
	if err := s.client.Del(ctx, redisKey(key)).Err(); err != nil {
		return fmt.Errorf("reset in redis: %w", err)
	}
	return nil
}

func (s *Redis) ask(ctx context.Context, key string, g gcra, n int) (Decision, error) {
	v, err := takeScript.Run(ctx, s.client, []string{redisKey(key)}, g.args(n)...).Int64Slice()
	if err != nil {
		return Decision{}, fmt.Errorf("take in redis: %w", err)
	}
	if len(v) != 3 {
		return Decision{}, fmt.Errorf("take in redis: %d numbers in the answer", len(v))
	}
	return Decision{
		OK:         v[0] == 1,
		RetryAfter: time.Duration(v[1]) * time.Microsecond,
		Remaining:  int(max(0, v[2])),
	}, nil
}

// args gives whole microseconds, rounded up: exact in a double, and towards the
// stricter side. Beyond 100,000 tokens a second a key, that is noticeably stricter.
func (g gcra) args(n int) []any {
	interval := (g.interval + 999) / 1000
	return []any{interval, interval * (g.depth / g.interval), n}
}

// redisKey hashes the key: an address or an account name has no business in a
// shared store, and a long one costs no more than a short one.
func redisKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "watchword:limit:" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

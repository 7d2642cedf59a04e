package limit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Both scripts use the time of Redis, so the nodes' clocks need not agree. Numbers
// are whole microseconds since 2025, which a double holds exactly. ARGV[1] is the number of
// tokens; interval and depth of each key follow.
const scriptHead = `
local t = redis.call('TIME')
local now = (tonumber(t[1]) - 1735689600) * 1000000 + tonumber(t[2])
local n = tonumber(ARGV[1])
local function read(i)
  local interval, depth = tonumber(ARGV[2*i]), tonumber(ARGV[2*i+1])
  local tat = tonumber(redis.call('GET', KEYS[i]) or now)
  if tat < now then tat = now end
  if tat > now + depth then tat = now + depth end -- the clock of Redis went back
  return interval, depth, tat
end
local function put(i, at)
  redis.call('SET', KEYS[i], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
end
`

var (
	// takeScript takes ARGV[1] tokens of each key, or none. With ARGV[1] = 0 it only reads.
	takeScript = redis.NewScript(-1, scriptHead+`
local need = n
if need == 0 then need = 1 end
local wait, left, ends = 0, nil, {}
for i = 1, #KEYS do
  local interval, depth, tat = read(i)
  local over = tat - now + need * interval - depth
  if over > 0 then
    wait = math.max(wait, over)
  else
    tat = tat + n * interval
  end
  local free = math.floor((depth - (tat - now)) / interval)
  if left == nil or free < left then left = free end
  ends[i] = tat
end
if wait > 0 then return {0, wait, left} end
if n > 0 then
  for i = 1, #KEYS do put(i, ends[i]) end
end
return {1, 0, left}`)

	refundScript = redis.NewScript(-1, scriptHead+`
for i = 1, #KEYS do
  local interval, _, tat = read(i)
  tat = tat - n * interval
  if tat <= now then redis.call('DEL', KEYS[i]) else put(i, tat) end
end
return 0`)
)

// Redis is a Limiter shared by all nodes that use the same Redis. It has no decision when it
// returns an error, so it is used through a [Fallback].
type Redis struct {
	pool *redis.Pool
}

// maxConnections bounds the connections of one node. A caller that finds none free waits up to
// the timeout.
const maxConnections = 64

// OpenRedis returns a Redis for a URL such as redis://:password@host:6379/0, rediss://… or
// unix://…. It does not connect, so that the server starts while Redis is down. No error contains
// the URL.
func OpenRedis(rawURL string, timeout time.Duration) (*Redis, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
		// The cause quotes the URL, and the URL may hold a password.
		return nil, errors.New("parse the Redis URL: want redis://, rediss:// or unix://")
	}
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		// The part before the @ is the rest of a password, and an error of the dialer would quote
		// it.
		return nil, errors.New("parse the Redis URL: escape / ? # @ in the password as %2F %3F %23 %40")
	}
	options := []redis.DialOption{
		redis.DialConnectTimeout(timeout), redis.DialTLSHandshakeTimeout(timeout),
		redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout),
	}
	dial := func(ctx context.Context) (redis.Conn, error) { return redis.DialURLContext(ctx, rawURL, options...) }
	if u.Scheme == "unix" {
		password, _ := u.User.Password()
		options = append(options, redis.DialUsername(u.User.Username()), redis.DialPassword(password))
		dial = func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "unix", u.Path, options...)
		}
	}
	return &Redis{&redis.Pool{
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			c, err := dial(ctx)
			if err != nil && strings.Contains(err.Error(), rawURL) {
				return nil, errors.New("dial redis: the URL is not usable")
			}
			return c, err
		},
		MaxIdle: 8, MaxActive: maxConnections, Wait: true, IdleTimeout: 5 * time.Minute,
	}}, nil
}

// Close closes the connections.
func (s *Redis) Close() error { return s.pool.Close() }

// with runs one command on a connection of the pool.
func (s *Redis) with(ctx context.Context, do func(redis.Conn) (any, error)) (any, error) {
	c, err := s.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return do(c)
}

func (s *Redis) run(ctx context.Context, script *redis.Script, n int, buckets ...Bucket) (any, error) {
	args := make([]any, 1, 2+3*len(buckets))
	args[0] = len(buckets)
	for _, b := range buckets {
		args = append(args, redisKey(b.Key))
	}
	args = append(args, n)
	for _, b := range buckets {
		g, _ := b.Rate.gcra()
		args = append(args, g.micros(), g.micros()*(g.depth/g.interval))
	}
	return s.with(ctx, func(c redis.Conn) (any, error) { return script.DoContext(ctx, c, args...) })
}

// Take implements Limiter.
func (s *Redis) Take(ctx context.Context, key string, r Rate, n int) (Decision, error) {
	if _, valid, d, err := checkRate(r, n); !valid {
		return d, err
	}
	return s.take(ctx, n, Bucket{key, r})
}

// TakeAll implements Limiter.
func (s *Redis) TakeAll(ctx context.Context, buckets []Bucket) (Decision, error) {
	if err := checkBuckets(buckets); err != nil || len(buckets) == 0 {
		return Decision{OK: err == nil}, err
	}
	return s.take(ctx, 1, buckets...)
}

// Peek implements Limiter.
func (s *Redis) Peek(ctx context.Context, key string, r Rate) (Decision, error) {
	if _, valid, d, err := checkRate(r, 1); !valid {
		return d, err
	}
	return s.take(ctx, 0, Bucket{key, r})
}

// Refund implements Limiter.
func (s *Redis) Refund(ctx context.Context, key string, r Rate, n int) error {
	if _, valid, _, err := checkRate(r, n); !valid {
		return err
	}
	return s.refund(ctx, n, Bucket{key, r})
}

// RefundAll implements Limiter.
func (s *Redis) RefundAll(ctx context.Context, buckets []Bucket) error {
	if err := checkBuckets(buckets); err != nil || len(buckets) == 0 {
		return err
	}
	return s.refund(ctx, 1, buckets...)
}

func (s *Redis) refund(ctx context.Context, n int, buckets ...Bucket) error {
	if _, err := s.run(ctx, refundScript, n, buckets...); err != nil {
		return fmt.Errorf("refund in redis: %w", err)
	}
	return nil
}

// Reset implements Limiter.
func (s *Redis) Reset(ctx context.Context, key string) error {
	_, err := s.with(ctx, func(c redis.Conn) (any, error) { return redis.DoContext(c, ctx, "DEL", redisKey(key)) })
	if err != nil {
		return fmt.Errorf("reset in redis: %w", err)
	}
	return nil
}

func (s *Redis) take(ctx context.Context, n int, buckets ...Bucket) (Decision, error) {
	v, err := redis.Int64s(s.run(ctx, takeScript, n, buckets...))
	if err != nil {
		return Decision{}, fmt.Errorf("take in redis: %w", err)
	}
	if len(v) != 3 {
		return Decision{}, fmt.Errorf("take in redis: %d numbers in the response", len(v))
	}
	return Decision{
		OK:         v[0] == 1,
		RetryAfter: time.Duration(v[1]) * time.Microsecond,
		Remaining:  int(max(0, v[2])),
	}, nil
}

// micros returns the interval in whole microseconds, rounded up, which a double holds exactly.
// Beyond 100,000 tokens a second a key, that is noticeably stricter.
func (g gcra) micros() int64 { return (g.interval + 999) / 1000 }

// redisKey hashes the key, so that no addresses and account names are in the shared store and all
// keys are short.
func redisKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "watchword:limit:" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

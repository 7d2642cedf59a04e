package limit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// redisServer is a Redis of one test, on a socket in its own folder.
type redisServer struct {
	t    *testing.T
	dir  string
	proc *exec.Cmd
}

func (s *redisServer) url() string { return "unix://" + filepath.Join(s.dir, "s") }

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("WATCHWORD_TEST_ALL") != "" {
			t.Fatal("redis-server is not on the PATH, and WATCHWORD_TEST_ALL forbids skipping")
		}
		t.Skip("redis-server is not on the PATH")
	}
	// A socket's path is limited to about 100 characters, t.TempDir's is not.
	dir, err := os.MkdirTemp("", "wwredis")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, dir: dir}
	t.Cleanup(func() { s.stop(); _ = os.RemoveAll(dir) })
	s.start()
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	s.proc = exec.Command("redis-server", "--port", "0", "--unixsocket", filepath.Join(s.dir, "s"),
		"--save", "", "--appendonly", "no", "--dir", s.dir)
	if err := s.proc.Start(); err != nil {
		s.t.Fatal(err)
	}
	r, err := OpenRedis(s.url(), time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	eventually(s.t, "redis answers", func() bool { return ask(r, "PING") != nil })
}

// ask sends one command and returns the reply, or nil without one.
func ask(r *Redis, command string, args ...any) any {
	v, err := r.with(context.Background(), func(c redis.Conn) (any, error) { return c.Do(command, args...) })
	if err != nil {
		return nil
	}
	return v
}

func (s *redisServer) stop() {
	if s.proc != nil {
		_ = s.proc.Process.Kill()
		_ = s.proc.Wait()
		s.proc = nil
	}
}

// eventually waits until another process has done something.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out: %s", what)
		}
	}
}

func openRedis(t *testing.T, url string) *Redis {
	t.Helper()
	r, err := OpenRedis(url, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func testRedis(t *testing.T) *Redis {
	t.Helper()
	if url := os.Getenv("WATCHWORD_TEST_REDIS"); url != "" {
		return openRedis(t, url)
	}
	return openRedis(t, startRedis(t).url())
}

func TestRedisCountsLikeMemory(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), testRedis(t)
	key := fmt.Sprint("count", time.Now().UnixNano())
	slow := Rate{Count: 7, Per: time.Hour, Burst: 5} // an interval that is no whole number
	for i := range 5 {
		if d := take(t, r, key, slow, 1); !d.OK || d.Remaining != 4-i {
			t.Fatalf("take %d: %+v", i, d)
		}
	}
	d := take(t, r, key, slow, 1)
	if interval := time.Hour / 7; d.OK || d.RetryAfter < interval-time.Minute || d.RetryAfter > interval+time.Second {
		t.Fatalf("beyond the burst: %+v", d)
	}
	if d, err := r.Peek(ctx, key, slow); err != nil || d.OK || d.Remaining != 0 {
		t.Fatalf("peek: %+v, %v", d, err)
	}
	if err := r.Refund(ctx, key, slow, 2); err != nil {
		t.Fatal(err)
	}
	if d, err := r.Peek(ctx, key, slow); err != nil || !d.OK || d.Remaining != 2 {
		t.Fatalf("peek after a refund: %+v, %v", d, err)
	}
	if d := take(t, r, key, slow, 6); d.OK || d.RetryAfter == 0 {
		t.Fatalf("more than the burst: %+v", d)
	}
	if ttl := time.Duration(ask(r, "PTTL", redisKey(key)).(int64)) * time.Millisecond; ttl <= 0 || ttl > time.Hour {
		t.Fatalf("the key lives for %v", ttl)
	}
	if err := r.Reset(ctx, key); err != nil {
		t.Fatal(err)
	}
	if d := take(t, r, key, slow, 5); !d.OK {
		t.Fatalf("after a reset: %+v", d)
	}
	if err := r.Refund(ctx, key, slow, 5); err != nil {
		t.Fatal(err)
	}
	if n := ask(r, "EXISTS", redisKey(key)); n != int64(0) {
		t.Fatal("a key without debt stays in Redis")
	}
	if d, err := r.Take(ctx, key, Rate{}, 1); d.OK || err == nil {
		t.Fatalf("the zero rate: %+v, %v", d, err)
	}
}

func TestRedisRefillsWithTime(t *testing.T) {
	t.Parallel()
	r := testRedis(t)
	key := fmt.Sprint("refill", time.Now().UnixNano())
	fast := Rate{Count: 20, Per: time.Second, Burst: 1}
	take(t, r, key, fast, 1)
	eventually(t, "a token is back", func() bool { return take(t, r, key, fast, 1).OK })
}

// BF-10 on two nodes: they share one limit.
func TestAttack_BF_10_ParallelBurstOnTwoNodes(t *testing.T) {
	t.Parallel()
	a := testRedis(t)
	b := &Redis{a.pool}
	ctx := context.Background()
	if err := a.Reset(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	got := make(chan int64, 2)
	for _, node := range []*Redis{a, b} {
		go func() { got <- burst(t, node, 100) }()
	}
	// A slow machine may earn tokens back within the burst, one in six seconds.
	if sum := <-got + <-got; sum < 10 || sum > 20 {
		t.Fatalf("%d of 200 parallel attempts were admitted, the limit is 10", sum)
	}
}

func TestRedisKeysCarryNoNames(t *testing.T) {
	t.Parallel()
	if k := redisKey("login.account|alice@example.com"); strings.Contains(k, "alice") || len(k) > 60 {
		t.Errorf("key %q", k)
	}
	_, err := OpenRedis("http://user:hunter2@example.com", time.Second)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

// With an unescaped / ? or # in the password, a part of it is parsed as another component of the
// URL, whose error would contain it.
func TestAttack_OP_04_NoPartOfTheRedisPasswordInAnError(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://u:12/hunter2@127.0.0.1:1", "redis://u:12?hunter2@127.0.0.1:1", "redis://u:12#hunter2@127.0.0.1:1",
		"redis://u:x@hunter2@127.0.0.1:1", "redis://u:hunter2%zz@127.0.0.1:1", "unix://u:12/hunter2@/nowhere?hunter2",
	} {
		r, err := OpenRedis(url, time.Second)
		if err == nil {
			_, err = r.Take(t.Context(), "k", Rate{Count: 1, Per: time.Second}, 1)
			r.Close()
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// BF-12: Redis dies, hangs and comes back; the limit holds and recovery is automatic.
func TestAttack_BF_12_RedisUnavailable(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	shared, err := OpenRedis(server.url(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	f := NewFallback(FallbackConfig{Shared: shared, Local: NewMemory(0, time.Now), Now: time.Now, Timeout: 500 * time.Millisecond, Cooldown: 50 * time.Millisecond})
	hourly := Rate{Count: 5, Per: time.Hour}

	for i := range 3 {
		if d := take(t, f, "before", hourly, 1); !d.OK || d.Remaining != 4-i {
			t.Fatalf("with Redis, take %d: %+v", i, d)
		}
	}
	server.stop()
	if got := admitted(t, f, "before", hourly, 50); got != 2 {
		t.Errorf("Redis is gone and %d more were admitted, 2 were left", got)
	}
	if got := admitted(t, f, "during", hourly, 50); got != 5 {
		t.Errorf("Redis is gone and %d were admitted at 5/1h", got)
	}
	if !f.Degraded() {
		t.Error("the fallback is not degraded without Redis")
	}
	server.start()
	recovered(t, f, "after a restart")

	// A stopped process accepts connections and sends nothing.
	if err := server.proc.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if got := admitted(t, f, "hang", hourly, 200); got != 5 {
		t.Errorf("Redis hangs and %d were admitted at 5/1h", got)
	}
	// Only those that trip the breaker or probe wait. 200 time-outs are 100 seconds.
	if took := time.Since(start); took > time.Minute {
		t.Errorf("200 decisions took %v", took)
	}
	if err := server.proc.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	recovered(t, f, "after the hang")
}

func admitted(t *testing.T, l Limiter, key string, r Rate, tries int) int {
	t.Helper()
	n := 0
	for range tries {
		if take(t, l, key, r, 1).OK {
			n++
		}
	}
	return n
}

func recovered(t *testing.T, f *Fallback, when string) {
	t.Helper()
	eventually(t, "limits are shared again "+when, func() bool {
		take(t, f, "probe "+when, Rate{Count: 1000, Per: time.Second}, 1)
		return !f.Degraded()
	})
}

// Several buckets are one decision, in memory and in Redis: all tokens or none.
func TestTakeAllIsOneDecision(t *testing.T) {
	t.Parallel()
	ctx, hourly := context.Background(), Rate{Count: 3, Per: time.Hour}
	for name, l := range map[string]Limiter{"memory": NewMemory(0, time.Now), "redis": testRedis(t)} {
		t.Run(name, func(t *testing.T) {
			key := fmt.Sprint("all", time.Now().UnixNano())
			both := []Bucket{{key + "narrow", hourly}, {key + "wide", hourly.Times(2)}}
			other := []Bucket{{key + "other", hourly}, both[1]}
			all := func(b []Bucket) Decision {
				d, err := l.TakeAll(ctx, b)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			left := func(b Bucket) int {
				d, err := l.Peek(ctx, b.Key, b.Rate)
				if err != nil {
					t.Fatal(err)
				}
				return d.Remaining
			}
			for i := range 3 {
				if d := all(both); !d.OK || d.Remaining != 2-i {
					t.Fatalf("take %d: %+v", i, d)
				}
			}
			if d := all(both); d.OK || d.Remaining != 0 || d.RetryAfter < 19*time.Minute || left(both[1]) != 3 {
				t.Fatalf("the narrow one is used up: %+v, %d left of the wide one", d, left(both[1]))
			}
			for range 3 {
				all(other)
			}
			if d := all(other); d.OK || left(other[1]) != 0 {
				t.Fatalf("both are used up: %+v", d)
			}
			third := []Bucket{{key + "third", hourly}, both[1]}
			if d := all(third); d.OK || d.RetryAfter > 11*time.Minute || left(third[0]) != 3 {
				t.Fatalf("the wide one is used up: %+v, %d left of the narrow one", d, left(third[0]))
			}
			if err := l.RefundAll(ctx, both); err != nil || left(both[0]) != 1 || left(both[1]) != 1 {
				t.Fatalf("refund: %v, %d and %d left", err, left(both[0]), left(both[1]))
			}
			if d, err := l.TakeAll(ctx, []Bucket{both[0], {key, Rate{}}}); d.OK || err == nil || left(both[0]) != 1 {
				t.Fatalf("the zero rate: %+v, %v, %d left", d, err, left(both[0]))
			}
		})
	}
}

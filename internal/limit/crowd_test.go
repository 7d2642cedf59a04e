package limit

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// rules are some of the server's, with their defaults.
var rules = []struct {
	name string
	rate Rate
}{
	{"login.ip", Rate{Count: 30, Per: time.Minute, Burst: 60}},
	{"authorize.ip", Rate{Count: 300, Per: time.Minute, Burst: 600}},
	{"forgot.ip", Rate{Count: 20, Per: time.Hour}},
	{"register.ip", Rate{Count: 20, Per: time.Hour}},
	{"reset.ip", Rate{Count: 20, Per: 10 * time.Minute}},
	{"client_register.ip", Rate{Count: 30, Per: time.Hour, Burst: 120}},
}

// crowd sends requests as often as the table admits them.
type crowd struct {
	t     *testing.T
	m     *Memory
	clock *frozen
	sent  int
}

func (c *crowd) visit(rule int, addr netip.Addr) Decision {
	c.t.Helper()
	r := rules[rule%len(rules)]
	d, err := c.m.TakeAll(context.Background(), AddressBuckets(r.name, addr, r.rate))
	if err != nil {
		c.t.Fatal(err)
	}
	c.sent++
	return d
}

func v6(prefix byte, i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, prefix, 1, byte(i >> 8), byte(i), 15: 1})
}

func v4(first byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{first, byte(i >> 16), byte(i >> 8), byte(i)})
}

// S4: one /48 with its 65,536 /64s, ten thousand addresses at their limits, and one that
// polls. No other address is refused, whatever the rule, and afterwards none waits.
func TestRepair_S4_CrowdsShutNobodyElseOut(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	c := &crowd{t: t, m: NewMemory(DefaultKeys, clock.now), clock: clock}
	refused, worst := 0, time.Duration(0)
	const seconds, strangers = 9 * 60, 1000
	for second := range seconds {
		for i := range 500 { // of the /48
			c.visit(i, v6(1, (second*500+i)*7919))
		}
		for i := range 1000 { // of the botnet
			c.visit(second/10+i, v4(11, (second*1000+i)%10_000))
		}
		c.visit(0, v4(12, 1))
		clock.advance(time.Second)
	}
	for i := range strangers {
		for rule := range rules {
			for _, addr := range []netip.Addr{v4(13, i), v6(2+byte(i%200), i)} {
				if d := c.visit(rule, addr); !d.OK {
					refused, worst = refused+1, max(worst, d.RetryAfter)
				}
			}
		}
	}

	if refused != 0 {
		t.Errorf("%d of %d strangers were refused, for up to %v", refused, 2*strangers*len(rules), worst)
	}
}

// S4: a table with many times as many keys as slots, all with the longest debts, refuses no
// new key, and makes none wait longer than its own rate.
func TestRepair_S4_FullTableLeavesEachTheirOwnRate(t *testing.T) {
	t.Parallel()
	clock := newFrozen()
	m := NewMemory(1, clock.now) // 1,024 places a table
	for i := range 50_000 {
		for _, r := range rules {
			take(t, m, fmt.Sprint(r.name, i), r.rate, 1)
		}
		clock.advance(time.Millisecond)
	}
	for i := range 1000 {
		for _, r := range rules {
			key := fmt.Sprint(r.name, "stranger", i)
			g, _ := r.rate.gcra()
			if d := take(t, m, key, r.rate, 1); !d.OK {
				t.Fatalf("%s: a stranger is refused: %+v", r.name, d)
			}
			if d := take(t, m, key, r.rate, 1); d.RetryAfter > time.Duration(g.interval) {
				t.Fatalf("%s: a stranger waits for %v", r.name, d.RetryAfter)
			}
		}
	}
}

// S4: one network cannot leave more debts than the rates of its wider prefixes say.
func TestRepair_S4_WiderPrefixesAreCounted(t *testing.T) {
	t.Parallel()
	c := &crowd{t: t, m: NewMemory(0, newFrozen().now)}
	admitted := 0
	for i := range 1 << 16 {
		if c.visit(2, v6(1, i)).OK {
			admitted++
		}
	}
	if admitted != 16*20 {
		t.Errorf("a /48 was admitted %d times, its rate lets %d through at once", admitted, 16*20)
	}
	if d := c.visit(2, v6(2, 0)); !d.OK {
		t.Error("its neighbour is refused")
	}
}

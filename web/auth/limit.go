package auth

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"
)

// v6Network is how much of an IPv6 address is one customer's: who has one address of
// such a network has all of them.
const v6Network = 64

// Source is whose requests are counted together by limits on addresses: the address of
// IPv4, the network of an IPv6 address.
func Source(c echo.Context) string { return SourceOf(c.RealIP()) }

// SourceOf is the Source of an address.
func SourceOf(ip string) string {
	if !strings.Contains(ip, ":") {
		return ip
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(v6Network)
	if err != nil {
		return ip
	}
	return p.String()
}

// Caller is whose requests are counted together: the identity's, and without one those of
// the source.
func Caller(c echo.Context) string {
	if id := Who(c); id != nil {
		return id.Actor()
	}
	return Source(c)
}

// Limiter holds a token bucket for each of many keys, such as addresses. Its
// memory is bounded: buckets that are full again are forgotten, and when still too
// many are left, all but the busiest are.
type Limiter struct {
	rate  rate.Limit
	burst int
	max   int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewLimiter allows perSecond of each key on average and burst at once, and keeps
// at most maxKeys buckets. perSecond ≤ 0 means no limit.
func NewLimiter(perSecond float64, burst, maxKeys int, now func() time.Time) *Limiter {
	l := &Limiter{rate: rate.Limit(perSecond * wholeTokens), burst: burst * wholeTokens, max: maxKeys, now: now, buckets: map[string]*rate.Limiter{}}
	if perSecond <= 0 {
		l.rate = rate.Inf
	}
	return l
}

// A request takes whole tokens, a light one a tenth as many.
const (
	lightTokens = 1
	wholeTokens = 10
)

// Take uses one request of a key; when there is none left it returns how long it
// takes until there is one, and uses nothing.
func (l *Limiter) Take(key string) (wait time.Duration) { return l.take(key, wholeTokens) }

// TakeLight is Take for a request of which ten count as one.
func (l *Limiter) TakeLight(key string) (wait time.Duration) { return l.take(key, lightTokens) }

func (l *Limiter) take(key string, tokens int) (wait time.Duration) {
	if l == nil || l.rate == rate.Inf {
		return 0
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if b.AllowN(now, tokens) {
		return 0
	}
	return until(b, now, tokens)
}

// TakeOwn is Take for a key with a limit of its own, perSecond requests and twice as
// many at once, where that is lower than everybody's.
func (l *Limiter) TakeOwn(key string, perSecond float64, light bool) (wait time.Duration) {
	tokens := wholeTokens
	if light {
		tokens = lightTokens
	}
	if l == nil || perSecond <= 0 || rate.Limit(perSecond*wholeTokens) >= l.rate {
		return l.take(key, tokens)
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if own := rate.Limit(perSecond * wholeTokens); b.Limit() != own {
		burst := max(wholeTokens, int(2*perSecond*wholeTokens))
		b = rate.NewLimiter(own, burst)
		l.buckets[key] = b
	}
	if b.AllowN(now, tokens) {
		return 0
	}
	return until(b, now, tokens)
}

// Wait returns how long it takes until a key has a token, without using it.
func (l *Limiter) Wait(key string) time.Duration {
	if l == nil || l.rate == rate.Inf {
		return 0
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[key]
	if !ok || b.TokensAt(now) >= wholeTokens {
		return 0
	}
	return until(b, now, wholeTokens)
}

func until(b *rate.Limiter, now time.Time, tokens int) time.Duration {
	missing := float64(tokens) - b.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/float64(b.Limit())*float64(time.Second)))
}

func (l *Limiter) bucket(key string, now time.Time) *rate.Limiter {
	b, ok := l.buckets[key]
	if ok {
		return b
	}
	if len(l.buckets) >= l.max {
		l.sweep(now)
	}
	b = rate.NewLimiter(l.rate, l.burst)
	l.buckets[key] = b
	return b
}

// sweep forgets full buckets: a new one is the same. If that frees too little,
// it forgets those that are more than half full as well, and at last all.
func (l *Limiter) sweep(now time.Time) {
	for _, full := range []float64{1, 0.5, -1e18} {
		for k, b := range l.buckets {
			if b.TokensAt(now) >= full*float64(b.Burst()) {
				delete(l.buckets, k)
			}
		}
		if len(l.buckets) < l.max {
			return
		}
	}
}

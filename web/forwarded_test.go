package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestWhoAsksBehindProxies(t *testing.T) {
	t.Parallel()
	of := ipExtractor([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")})
	for _, c := range []struct {
		from string
		said []string
		want string
	}{
		{"10.1.2.3:1", []string{"192.0.2.7"}, "192.0.2.7"},
		{"10.1.2.3:1", []string{"192.0.2.7:4711"}, "192.0.2.7"},
		{"10.1.2.3:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"10.1.2.3:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"10.1.2.3:1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"10.1.2.3:1", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"[::ffff:10.1.2.3]:1", []string{"192.0.2.7"}, "192.0.2.7"},
		{"[fd00:1::2]:1", []string{"192.0.2.7"}, "192.0.2.7"},
		// The client writes the front, proxies the end.
		{"10.1.2.3:1", []string{"198.51.100.1, 192.0.2.7:1 , 10.1.9.9:2"}, "192.0.2.7"},
		{"10.1.2.3:1", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7"},
		{"10.1.2.3:1", []string{"10.1.0.9, 10.1.0.8"}, "10.1.0.9"},
		// What cannot be read says nothing.
		{"10.1.2.3:1", []string{"192.0.2.7, unknown"}, "10.1.2.3"},
		{"10.1.2.3:1", []string{"192.0.2.7:x"}, "10.1.2.3"},
		{"10.1.2.3:1", nil, "10.1.2.3"},
		{"192.0.2.9:1", []string{"192.0.2.7"}, "192.0.2.9"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = c.from
		for _, s := range c.said {
			r.Header.Add("X-Forwarded-For", s)
		}
		if got := of(r); got != c.want {
			t.Errorf("from %s, forwarded for %q: %s, want %s", c.from, c.said, got, c.want)
		}
	}
}

package ofrep

import (
	"strings"
	"testing"
	"time"
)

// FuzzToken: whatever text somebody brings, only what this server signed in this hour
// or the one before opens a stream, and it opens it as the key that it was made for.
func FuzzToken(f *testing.F) {
	h := &Handler{o: Options{Secret: []byte("a secret of this server, 32 byte")}}
	other := &Handler{o: Options{Secret: []byte("a secret of another server, 32 b")}}
	now := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	good := h.sign("abcdefghijkl", epochOf(now))
	for _, seed := range []string{
		good, good + "A", good[:len(good)-1], strings.ToUpper(good), other.sign("abcdefghijkl", epochOf(now)), h.sign("abcdefghijkl", epochOf(now)-2),
		h.sign("abcdefghijkl", epochOf(now)+1), h.sign("", epochOf(now)), "", "A", "====", strings.Repeat("A", maxStream), strings.Repeat("A", maxStream+1), "\x00\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		key, ends, err := h.verify(token, now)
		if err != nil {
			if key != "" || !ends.IsZero() {
				t.Errorf("%q is refused, and yet %q until %s", token, key, ends)
			}
			return
		}
		epoch := ends.Add(-2*epochLength).UnixNano() / int64(epochLength)
		if h.sign(key, epoch) != token {
			t.Errorf("%q opens a stream as %q; nobody signed that", token, key)
		}
		if age := epochOf(now) - epoch; age < 0 || age > 1 {
			t.Errorf("%q is of another time: %d epochs ago", token, age)
		}
	})
}

package api

import "testing"

func TestOneIdentityBooksItsShare(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	m := newMemory(256*mib, 60*mib)
	for _, s := range []struct {
		who  string
		n    int64
		want bool
	}{
		{"a", 60 * mib, true}, {"a", 60 * mib, true}, {"a", 60 * mib, false}, // half is its share
		{"b", 60 * mib, true}, {"b", 60 * mib, true}, {"c", 60 * mib, false}, {"c", 16 * mib, true}, {"d", 1, false}, // there is no more
	} {
		if got := m.take(s.who, s.n); got != s.want {
			t.Errorf("%d MiB for %s: %v, want %v", s.n/mib, s.who, got, s.want)
		}
	}
	m.give("a", 120*mib)
	if !m.take("d", 60*mib) {
		t.Error("what was given back cannot be booked")
	}
	m.give("b", 120*mib)
	m.give("c", 16*mib)
	m.give("d", 60*mib)
	if m.used != 0 || len(m.by) != 0 {
		t.Errorf("when all is given back, %d bytes and %d names are kept", m.used, len(m.by))
	}
	if one := newMemory(100*mib, 60*mib); one.share != 60*mib {
		t.Errorf("of 100 MiB one identity has %d: not enough for one body", one.share)
	}
	if little := newMemory(1024, 60*mib); little.share != 1024 {
		t.Errorf("of 1 KiB one identity has %d", little.share)
	}
}

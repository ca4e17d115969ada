package decode

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestUnsignedIsNumber: what is read the short way is what number and parseUint read,
// and what is not read the short way moves nothing.
func TestUnsignedIsNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		src := rapid.StringMatching(`-?[0-9]{0,21}[.eE/:]?[0-9]{0,2}[,}\]]?`).Draw(t, "src")
		short := scanner{src: []byte(src), b: &Batch{}}
		long := scanner{src: []byte(src), b: &Batch{}}
		n, ok := short.unsigned()
		if !ok {
			if short.pos != 0 {
				t.Fatalf("%q: nothing was read, and %d bytes are gone", src, short.pos)
			}
			num, good := long.number()
			_, fits := parseUint(num)
			whole := long.pos == len(src) || !isOfNumber(src[long.pos]) // "00" is two
			if good && fits && whole && len(num) < mostDigits {
				t.Fatalf("%q is a number and was not read", src)
			}
			return
		}
		num, good := long.number()
		want, fits := parseUint(num)
		if !good || !fits || n != want || short.pos != long.pos {
			t.Fatalf("%q: read %d up to %d; want %d up to %d (%v, %v)", src, n, short.pos, want, long.pos, good, fits)
		}
	})
}

func TestVersionsOfTheUsualForm(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`{"seq":17}`: "seq:17", `{"seq":0}`: "seq:0", `{"seq":18446744073709551615}`: "seq:18446744073709551615",
		`{"seq": 17}`: "seq:17", `{"seq":17 }`: "seq:17", `{"seq":1,"seq":2}`: "seq:2", `{"seq":01}`: "", `{"seq":1.5}`: "", `{"seq":-1}`: "",
		`{"seq":17,"hlc":"1.2"}`: "", `{"seq":18446744073709551616}`: "",
	} {
		var b Batch
		err := Native(fmt.Appendf(nil, `{"event_id":"e","kind":"initiated","write_id":"w","feature":"f","occurred_at":1,"version":%s}`, src), "", &b)
		got := ""
		if err == nil && len(b.Events) == 1 {
			got = b.Events[0].Version.String()
		}
		if got != want {
			t.Errorf("%s: version %q, %v, %+v; want %q", src, got, err, b.Rejected, want)
		}
	}
}

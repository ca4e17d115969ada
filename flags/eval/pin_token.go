package eval

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"math"
	"strings"
	"sync"

	"tidemark/flags"
)

// Pins signs pins and checks them. It keeps nothing of them and is safe for
// concurrent use.
type Pins struct{ macs sync.Pool }

// NewPins returns a signer. The secret is at least 32 random bytes, kept with the
// server's other secrets; with another secret all pins are void.
func NewPins(secret []byte) *Pins {
	derive := hmac.New(sha256.New, secret)
	derive.Write([]byte("tidemark session pin, 1"))
	key := derive.Sum(nil)
	return &Pins{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// claim is what a pin says: this unit began with this variant of this revision of the
// flag, in this arm of this rollout.
type claim struct {
	flag, variant, rollout string
	revision               int64
	step                   int
	arm                    flags.Arm
	issued, expires        int64 // Unix ns
	unit                   [8]byte
}

const (
	pinForm  = 1
	macBytes = 16
)

// hashUnit names a unit in its pin. A pin is only ever seen by the unit itself and by
// the server, so it need not resist a search; the signature does.
func hashUnit(unit string) [8]byte {
	sum := sha256.Sum256([]byte(unit))
	return [8]byte(sum[:8])
}

// seal writes a claim and signs it.
func (p *Pins) seal(c *claim) string {
	var scratch [512]byte
	b := append(scratch[:0], pinForm, armCode(c.arm))
	b = binary.AppendUvarint(b, uint64(c.revision))
	b = binary.AppendUvarint(b, stepCode(c.step))
	b = binary.AppendUvarint(b, uint64(c.issued))
	b = binary.AppendUvarint(b, uint64(c.expires))
	b = append(b, c.unit[:]...)
	for _, s := range []string{c.flag, c.variant, c.rollout} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return base64.RawURLEncoding.EncodeToString(p.sign(b, b))
}

// sign appends the signature of payload to b.
func (p *Pins) sign(b, payload []byte) []byte {
	mac, ok := p.macs.Get().(hash.Hash)
	if !ok {
		return b // the pool holds nothing else; an unsigned pin is refused
	}
	defer p.macs.Put(mac)
	mac.Reset()
	mac.Write(payload)
	var sum [sha256.Size]byte
	return append(b, mac.Sum(sum[:0])[:macBytes]...)
}

// check reports whether a pin is one of ours.
func (p *Pins) check(token string) PinError {
	raw, payload, ok := splitToken(token)
	if !ok {
		return PinMalformed
	}
	if !hmac.Equal(p.sign(nil, payload), raw[len(payload):]) {
		return PinForged
	}
	return PinOK
}

// splitToken reads the one text a pin has. The decoder skips line breaks wherever
// they stand (RFC 4648 section 3.1 leaves that open), so they are refused before it.
func splitToken(token string) (raw, payload []byte, ok bool) {
	if strings.ContainsAny(token, "\r\n") {
		return nil, nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= macBytes || raw[0] != pinForm {
		return nil, nil, false
	}
	return raw, raw[:len(raw)-macBytes], true
}

// readClaim reads what a pin says. It does not check the signature.
func readClaim(token string) (*claim, bool) {
	_, payload, ok := splitToken(token)
	if !ok {
		return nil, false
	}
	r := claimReader{b: payload[1:], ok: true}
	c := &claim{arm: armOf(r.byte())}
	c.revision, c.step = int64(r.number()), stepOf(r.number())
	c.issued, c.expires = int64(r.number()), int64(r.number())
	copy(c.unit[:], r.bytes(uint64(len(c.unit))))
	for _, s := range []*string{&c.flag, &c.variant, &c.rollout} {
		*s = string(r.bytes(r.number()))
	}
	return c, r.ok && len(r.b) == 0
}

// claimReader reads a payload; ok turns false when it ends too early.
type claimReader struct {
	b  []byte
	ok bool
}

func (r *claimReader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *claimReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<63-1 {
		r.ok, n = false, 0
		v = 0
	}
	r.b = r.b[n:]
	return v
}

func (r *claimReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.ok = false
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// noStep stands in pins for step −1, which is a phase without steps: a number in a pin
// has no sign.
const noStep = math.MaxInt64

func stepCode(step int) uint64 {
	if step < 0 {
		return noStep
	}
	return uint64(step)
}

func stepOf(code uint64) int {
	if code == noStep {
		return -1
	}
	return int(code)
}

// arms in pins. A code, once given out, keeps its meaning.
func armCode(a flags.Arm) byte {
	switch a {
	case flags.ArmCandidate:
		return 1
	case flags.ArmControl:
		return 2
	case flags.ArmRest:
		return 3
	}
	return 0
}

func armOf(code byte) flags.Arm {
	switch code {
	case 1:
		return flags.ArmCandidate
	case 2:
		return flags.ArmControl
	case 3:
		return flags.ArmRest
	}
	return flags.ArmNone
}

package eval

// Pins signs pins and checks them. It is safe for concurrent use.
type Pins struct{ secret []byte }

// NewPins returns a signer. The secret is at least 32 random bytes, kept with the
// server's other secrets; with another secret all pins are void.
func NewPins(secret []byte) *Pins { return &Pins{secret: append([]byte(nil), secret...)} }

func (s *Set) pin(*flag, *env, *Result) {}

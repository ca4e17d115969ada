// Package clock estimates how far clocks are apart, and how well that is known.
//
// Nothing here reads a clock or corrects one: it is arithmetic on differences that
// were measured, and it never says more than they allow. An estimate is an interval;
// a difference that is smaller than its half-width gets no verdict.
package clock

import "errors"

// Estimate is what is known of an offset, the reading of clock B less that of clock
// A at one moment, in nanoseconds.
type Estimate struct {
	Offset int64 // middle of the interval; 0 when Known is not Both
	Error  int64 // half-width: the true offset is within Offset ± Error
	// Low and High bound the offset when only one direction was measured. With Both
	// they are Offset ∓ Error.
	Low, High *int64
	Known     Known
}

// Known says what an Estimate rests on.
type Known uint8

// The kinds of knowledge.
const (
	Nothing      Known = iota // no sample
	OneWay                    // only a bound: messages went one way
	Both                      // an offset with an error
	Inconsistent              // the directions contradict each other: a clock stepped
)

var knownNames = [...]string{"nothing", "one_way", "both", "inconsistent"}

// String returns the wire name: nothing, one_way, both or inconsistent.
func (k Known) String() string { return knownNames[k] }

// MarshalText writes the wire name.
func (k Known) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// FromBoth estimates the offset of B from A from the least differences (arrival −
// departure, each by its own clock) of messages from A to B and from B to A:
//
//	θ = (ab − ba)/2, error ± (ab + ba)/2
//
// A message takes no negative time, so ab ≥ θ and ba ≥ −θ. When ab + ba is negative
// no offset satisfies both, and the result is Inconsistent.
func FromBoth(ab, ba int64) Estimate {
	low, high := -ba, ab
	if low > high {
		return Estimate{Known: Inconsistent}
	}
	width := high - low
	// Halve so that [Offset−Error, Offset+Error] always contains [low, high].
	mid := low + width/2
	return Estimate{Offset: mid, Error: width - width/2, Low: &low, High: &high, Known: Both}
}

// FromAToB bounds the offset from messages of one direction: θ ≤ ab.
func FromAToB(ab int64) Estimate { return Estimate{High: &ab, Known: OneWay} }

// FromBToA bounds the offset from messages of the other direction: θ ≥ −ba.
func FromBToA(ba int64) Estimate {
	low := -ba
	return Estimate{Low: &low, Known: OneWay}
}

// Contains reports whether an offset agrees with the estimate.
func (e Estimate) Contains(offset int64) bool {
	if e.Known == Inconsistent {
		return false
	}
	return (e.Low == nil || offset >= *e.Low) && (e.High == nil || offset <= *e.High)
}

// ErrExchange is returned for four timestamps that no exchange can have.
var ErrExchange = errors.New("clock: reply arrived before it was possible")

// Exchange is one request and its reply, in nanoseconds: the client's clock at
// sending and at receiving, the server's at receiving and at sending.
type Exchange struct {
	ClientSent, ServerReceived, ServerSent, ClientReceived int64
}

// Estimate is the offset of the server's clock from the client's: what has to be
// added to the client's time to get the server's. The error is half the time that
// the exchange spent under way. It fails with ErrExchange when that is negative or
// the server answered before it was asked.
func (x Exchange) Estimate() (Estimate, error) {
	if x.ServerSent < x.ServerReceived || x.Delay() < 0 {
		return Estimate{}, ErrExchange
	}
	return FromBoth(x.ServerReceived-x.ClientSent, x.ClientReceived-x.ServerSent), nil
}

// Delay is the time under way, both ways together.
func (x Exchange) Delay() int64 {
	return (x.ClientReceived - x.ClientSent) - (x.ServerSent - x.ServerReceived)
}

// Best is the estimate of the exchange that was under way for the least time: the
// queues that make an estimate uncertain also make the exchange long. It is Nothing
// when no exchange is possible.
func Best(list []Exchange) Estimate {
	var best Estimate
	for _, x := range list {
		e, err := x.Estimate()
		if err == nil && (best.Known == Nothing || e.Error < best.Error) {
			best = e
		}
	}
	return best
}

// Order is the verdict on two moments.
type Order int8

// The verdicts.
const (
	Earlier   Order = -1
	Undecided Order = 0
	Later     Order = 1
)

// Compare says how moment a relates to moment b when their difference is known to ±
// epsilon: Undecided unless it exceeds epsilon.
func Compare(a, b, epsilon int64) Order {
	switch d := a - b; {
	case d > epsilon:
		return Later
	case d < -epsilon:
		return Earlier
	}
	return Undecided
}

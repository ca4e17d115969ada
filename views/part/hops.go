package part

// Hops is where the time goes: the edges of the slowest path, in order.
type Hops struct {
	Label string
	Edges []HopBar
	Total string // "1.9 s", the sum the bars are drawn against
	Note  string
	Table Table
	Get   Downloads
	None  Empty
}

// HopBar is one edge. Start and Length are shares of the path's total.
type HopBar struct {
	Title  string // "received → applied"
	Place  string
	Value  Value
	Start  float64
	Length float64
	Slow   bool // takes most of the time
}

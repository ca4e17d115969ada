package decode

import "strings"

// Options maps what other systems call things to features.
type Options struct {
	// Destinations maps messaging.destination.name (OpenTelemetry) to a feature.
	Destinations []Mapping
	// Tables maps the tables of change-data-capture records to features.
	Tables []Table
}

// Mapping gives names a feature. An exact pattern goes before a prefix, a longer
// prefix before a shorter one, and of two equal patterns the first counts.
type Mapping struct {
	Pattern string // a name, or a prefix followed by '*'
	Feature string
}

// Table says what the rows of a table mean.
type Table struct {
	Pattern string   // "schema.table", or "database.table" where there are no schemas; a prefix followed by '*'
	Feature string   // what its rows belong to
	Key     []string // columns that identify a row; "id", when there is one, if empty
	WriteID string   // a column that holds the write_id; derived from the log position if ""
	Labels  []string // of every write of its rows
}

// matches returns how well a pattern fits a name: −1 not at all, and the more the
// better.
func matches(pattern, name string) int {
	prefix, open := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == name:
		return len(name) + 1
	case open && strings.HasPrefix(name, prefix):
		return len(prefix)
	}
	return -1
}

// feature returns the feature of a destination, or "" when it has none.
func (o *Options) feature(destination string) string {
	best, feature := -1, ""
	for i := range o.Destinations {
		if n := matches(o.Destinations[i].Pattern, destination); n > best {
			best, feature = n, o.Destinations[i].Feature
		}
	}
	return feature
}

// table returns what is said of a table, or nil.
func (o *Options) table(name string) *Table {
	best, found := -1, (*Table)(nil)
	for i := range o.Tables {
		if n := matches(o.Tables[i].Pattern, name); n > best {
			best, found = n, &o.Tables[i]
		}
	}
	return found
}

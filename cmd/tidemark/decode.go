package main

import (
	"maps"
	"slices"
	"strings"

	"tidemark/metrics/ingest/decode"
)

// decodeFlags say how telemetry that does not know tidemark maps to features.
type decodeFlags struct {
	Destination map[string]string `help:"OpenTelemetry: messaging destination to feature, NAME=FEATURE; NAME may end in *; separate several with ';'." env:"TIDEMARK_DESTINATION" placeholder:"NAME=FEATURE"`
	Table       map[string]string `help:"Debezium: table to feature, SCHEMA.TABLE=FEATURE, and after it key:COLUMN+COLUMN and write_id:COLUMN, separated by spaces." env:"TIDEMARK_TABLE" placeholder:"TABLE=FEATURE"`
}

func (f decodeFlags) options() (*decode.Options, error) {
	o := &decode.Options{}
	for _, name := range slices.Sorted(maps.Keys(f.Destination)) {
		feature := f.Destination[name]
		if name == "" || feature == "" {
			return nil, usagef("destination: %q=%q: want NAME=FEATURE", name, feature)
		}
		o.Destinations = append(o.Destinations, decode.Mapping{Pattern: name, Feature: feature})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Table)) {
		t, err := tableOf(name, f.Table[name])
		if err != nil {
			return nil, err
		}
		o.Tables = append(o.Tables, t)
	}
	return o, nil
}

// tableOf reads "FEATURE key:COLUMN+COLUMN write_id:COLUMN".
func tableOf(name, text string) (decode.Table, error) {
	parts := strings.Fields(text)
	if name == "" || len(parts) == 0 {
		return decode.Table{}, usagef("table: %q=%q: want SCHEMA.TABLE=FEATURE", name, text)
	}
	t := decode.Table{Pattern: name, Feature: parts[0]}
	for _, p := range parts[1:] {
		what, value, _ := strings.Cut(p, ":")
		switch {
		case what == "key" && value != "":
			t.Key = strings.Split(value, "+")
		case what == "write_id" && value != "":
			t.WriteID = value
		default:
			return decode.Table{}, usagef("table: %s: %q is not known; want key:COLUMN+COLUMN or write_id:COLUMN", name, p)
		}
	}
	return t, nil
}

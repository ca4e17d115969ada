package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidemark/metrics"
	"tidemark/metrics/ingest/decode"
)

// decodeFlags say how telemetry that does not know tidemark maps to features.
type decodeFlags struct {
	Destination map[string]string `help:"OpenTelemetry: messaging destination to feature, NAME=FEATURE; NAME may end in *; separate several with ';'." env:"TIDEMARK_DESTINATION" placeholder:"NAME=FEATURE"`
	Table       map[string]string `help:"Debezium: table to feature, SCHEMA.TABLE=FEATURE, and after it key:COLUMN+COLUMN, write_id:COLUMN and labels:LABEL+LABEL, separated by spaces." env:"TIDEMARK_TABLE" placeholder:"TABLE=FEATURE"`
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

// tableOf reads "FEATURE key:COLUMN+COLUMN write_id:COLUMN labels:LABEL+LABEL".
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
		case what == "labels" && value != "":
			t.Labels = strings.Split(value, "+")
			if err := labelsFit(t.Labels); err != "" {
				return decode.Table{}, usagef("table: %s: %q: %s", name, p, err)
			}
		default:
			return decode.Table{}, usagef("table: %s: %q is not known; want key:COLUMN+COLUMN, write_id:COLUMN or labels:LABEL+LABEL", name, p)
		}
	}
	return t, nil
}

// labelsFit says why no event may bear the labels, or "": each event of the table would be
// refused.
func labelsFit(labels []string) string {
	if len(labels) > metrics.MaxLabels {
		return fmt.Sprintf("at most %d labels", metrics.MaxLabels)
	}
	for _, l := range labels {
		if l == "" || len(l) > metrics.MaxName {
			return fmt.Sprintf("a label has 1 to %d bytes", metrics.MaxName)
		}
	}
	return ""
}

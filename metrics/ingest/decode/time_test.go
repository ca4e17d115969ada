package decode

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"2026-01-02T03:04:05Z":                1767323045000000000,
		"2026-01-02T03:04:05.1Z":              1767323045100000000,
		"2026-01-02T03:04:05.1234567899Z":     1767323045123456789,
		"2026-01-02T05:34:05.123456789+02:30": 1767323045123456789,
		"2026-01-01T22:04:05-05:00":           1767323045000000000,
		"1969-12-31T23:59:59.5Z":              -500000000,
		"2024-02-29T00:00:00Z":                1709164800000000000,
	} {
		if got, ok := parseTime(s); !ok || got != want {
			t.Errorf("parseTime(%q) = %d, %v, want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2025-02-29T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+24:00",
		"9999-01-02T03:04:05Z", "0001-01-02T03:04:05Z", "2026-01-02T03:04:05Zx", "2026-01-02t03:04:05z", "20a6-01-02T03:04:05Z",
	} {
		if got, ok := parseTime(s); ok {
			t.Errorf("parseTime(%q) = %d, want none", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-01-02T03:04:05.123456789+02:30")
	f.Add("2000-02-29T23:59:59Z")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime(s)
		if !ok {
			return
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || want.UnixNano() != got {
			t.Fatalf("parseTime(%q) = %d; time.Parse says %v, %v", s, got, want, err)
		}
	})
}

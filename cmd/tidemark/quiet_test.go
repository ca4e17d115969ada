package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestTheDemonstrationsLogIsQuiet: warnings only, unless debugging is asked for; and
// never more than was asked for.
func TestTheDemonstrationsLogIsQuiet(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"debug": "diwe", "info": "we", "warn": "we", "error": "e"} {
		var out bytes.Buffer
		log := quiet(logFlags{Level: level, Format: "text"}.logger(&out)).With("a", 1).WithGroup("g")
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
		got := ""
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, "msg=")
			got += rest[:1]
			if !strings.Contains(line, "a=1") {
				t.Errorf("%s: lost what belongs to the log: %s", level, line)
			}
		}
		if got != want {
			t.Errorf("--log-level %s: logged %q, want %q", level, got, want)
		}
	}
}

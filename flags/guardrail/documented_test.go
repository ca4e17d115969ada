package guardrail_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tidemark/flags/guardrail"
)

// documented are the cells behind a name, so many, in docs/statistics.md.
func documented(t *testing.T, name string, n int) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) == n+1 && strings.TrimSpace(cells[0]) == name {
			return cells[1:]
		}
	}
	t.Fatalf("docs/statistics.md says nothing of %q", name)
	return nil
}

// figures are the numbers in a text, without the commas of thousands.
func figures(text string) (out []float64) {
	for _, s := range regexp.MustCompile(`[0-9]+(\.[0-9]+)?`).FindAllString(strings.ReplaceAll(text, ",", ""), -1) {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil {
			out = append(out, v)
		}
	}
	return out
}

// statesRate holds the documented rate, in percent, to the one that was found. The seeds
// are fixed, and what is left is rounding, and the order of additions on other machines.
func statesRate(t *testing.T, name string, rate float64, runs int) {
	t.Helper()
	cell := documented(t, name, 1)[0]
	found := figures(cell)
	if strings.Contains(cell, " of ") { // "0 of 300"
		if len(found) != 2 || found[0] != math.Round(rate*float64(runs)) || found[1] != float64(runs) {
			t.Errorf("docs/statistics.md says %q of %s; found %.0f of %d", cell, name, rate*float64(runs), runs)
		}
		return
	}
	if len(found) < 2 || math.Abs(found[0]-100*rate) > 0.051 || math.Abs(found[1]-100*mcError(rate, runs)) > 0.0051 {
		t.Errorf("docs/statistics.md says %q of %s; found %.2f %% ± %.2f", cell, name, 100*rate, 100*mcError(rate, runs))
	}
}

// statesDelays holds the documented numbers of units to those that were found, to within
// two looks.
func statesDelays(t *testing.T, name string, units []int) {
	t.Helper()
	cells := documented(t, name, 2)
	found := figures(cells[len(cells)-1])
	if len(found) != len(units) {
		t.Fatalf("docs/statistics.md says %q of %s; found %v", cells, name, units)
	}
	for i, want := range units {
		if math.Abs(found[i]-float64(want)) > 2*perLook {
			t.Errorf("docs/statistics.md says %q of %s; found %v", cells, name, units)
		}
	}
}

// TestDocumentedConstants: what the text says of the methods is what they do.
func TestDocumentedConstants(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(raw)), " ")
	lower, upper := guardrail.RankRange(0.99, 1000, level)
	for _, want := range []string{
		fmt.Sprintf("N\\* = %d,%03d the size at which the bound is tightest", guardrail.Horizon/1000, guardrail.Horizon%1000),
		fmt.Sprintf("no bound is given below %d units an arm", guardrail.MinUnits),
		fmt.Sprintf("and k = %d, as if so many events had been seen before", guardrail.Concentration),
		fmt.Sprintf("χ², p < %s, at least %d units an arm", strings.TrimPrefix(fmt.Sprint(guardrail.RatioAlpha), "0"), guardrail.RatioUnits),
		fmt.Sprintf("For 1,000 values the ranks run from %.2f %% to %.2f %%", 100*lower, 100*upper),
		fmt.Sprintf("widened by its %.0f %%", 100*(gamma-1)/(gamma+1)),
		fmt.Sprintf("looked at %d times, with %d more units an arm each time", looks, perLook),
		fmt.Sprintf("With α = %g and arms that are alike", level),
		fmt.Sprintf("median of %d simulated rollouts", delays),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/statistics.md does not say %q", want)
		}
	}
}

// TestEventsThatAreNeeded holds the comment at Concentration: with so many events, shared
// out as a rate of the given multiple would, the e-value reaches 100.
func TestEventsThatAreNeeded(t *testing.T) {
	t.Parallel()
	for times, want := range map[int64]int64{2: 115, 10: 19} {
		n := int64(1)
		for ; guardrail.LogE([]float64{0.5, 0.5}, []int64{n * times / (times + 1), n - n*times/(times+1)}) < math.Log(100); n++ {
		}
		if n < want-3 || n > want+3 { // Events are whole.
			t.Errorf("a rate %d times as high is seen after %d events; want about %d", times, n, want)
		}
	}
}

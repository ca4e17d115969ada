package policy

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

//go:embed base.cedar
var baseText []byte

// Base is one policy that comes with the program.
type Base struct {
	Name, Description, Cedar string
}

func readBase() ([]Base, error) {
	list, err := cedar.NewPolicyListFromBytes("base.cedar", baseText)
	if err != nil {
		return nil, fmt.Errorf("policies of the program: %w", err)
	}
	out := make([]Base, len(list))
	for i, p := range list {
		end := len(baseText)
		if i+1 < len(list) {
			end = list[i+1].Position().Offset
		}
		a := p.Annotations()
		out[i] = Base{string(a["id"]), string(a["description"]), bare(string(baseText[p.Position().Offset:end]))}
	}
	return out, nil
}

// bare is a statement without its annotations, each of which is a line.
func bare(text string) string {
	for strings.HasPrefix(text, "@") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimSpace(text)
}

// Bases lists the policies that come with the program.
func (c *Checker) Bases() []Base { return slices.Clone(c.base) }

// Base returns one policy that comes with the program.
func (c *Checker) Base(name string) (Base, bool) {
	for _, b := range c.base {
		if b.Name == name {
			return b, true
		}
	}
	return Base{}, false
}

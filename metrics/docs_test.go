package metrics

import (
	"os"
	"strings"
	"testing"
)

func TestEventsPageNamesEveryFieldKindAndCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	names := append(KindNames(), Mechanisms()...)
	for _, l := range Limits() {
		names = append(names, l.Field)
	}
	names = append(names,
		CodeFieldMissing, CodeFieldTooLong, CodeFieldInvalid, CodeValueOutOfRange, CodeKindUnknown, CodeMechanismUnknown,
		CodeTimeMissing, CodeTimeInvalid, CodeTimeOutOfRange, CodeVersionInvalid, CodeAttributesTooLarge, CodeJSONInvalid,
		CodeArrayBroken, CodeFeatureUnmapped, CodeOperationIgnored, CodeFormatInvalid)
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/events.md does not name `%s`", name)
		}
	}
}

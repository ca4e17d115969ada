package page

// SignIn is the page on which people sign in, and to which a one-time link leads.
type SignIn struct {
	Action string
	Token  string // of a link; "" when the page was opened without one
	Failed bool   // the link is not valid any more
	Name   string // as it was typed
	To     string // where signing in leads
	Error  string // what was wrong
	// Provider is what to call signing in elsewhere, and ProviderURL where that begins;
	// "" = cannot.
	Provider, ProviderURL string
}

// SetUp is the page on which a person chooses a password by a link.
type SetUp struct {
	Action string
	Token  string
	First  bool   // the first administrator, who also chooses a name
	Name   string // whose password it is, or as it was typed
	Error  string // what was wrong
	Failed bool   // the link is not valid any more
	Rule   string // what a password has to be
}

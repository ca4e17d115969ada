package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Errors about people. Test with errors.Is.
var (
	// ErrNoAccount means that nobody has that name.
	ErrNoAccount = errors.New("no such account")
	// ErrNameTaken means that a person or team of that name, in whatever case, exists.
	ErrNameTaken = errors.New("the name is taken")
	// ErrLastAdmin means that nobody would be left to manage access.
	ErrLastAdmin = errors.New("the last administrator has to stay one")
	// ErrAccount is about settings of an account or team that break a rule.
	ErrAccount = errors.New("bad account settings")
	// ErrDisabled means that the account may not sign in.
	ErrDisabled = errors.New("this account is disabled")
	// ErrNoTeam means that no team has that name.
	ErrNoTeam = errors.New("no such team")
	// ErrNoSession means that a session has ended or never was.
	ErrNoSession = errors.New("no such session")
	// ErrOwned means that a feature already belongs to another team.
	ErrOwned = errors.New("the feature belongs to another team")
)

// Limits of people and teams.
const (
	MaxTeamMembers  = 500
	MaxTeamFeatures = 500
	maxAbout        = 500
	maxReason       = 500
)

var (
	accountForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._@+-]{0,63}$`)
	teamForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// Change is who changes something, why and when: it becomes the audit record.
type Change struct {
	Actor  string
	Reason string
	At     time.Time
}

// Account is a person. Accounts are disabled and never removed, so that a name in
// the audit log always means the same person.
type Account struct {
	Name        string // unique whatever its case
	Role        Role
	HasPassword bool
	Issuer      string   // of the OpenID provider; "" = a local account
	Subject     string   // the provider's name for the person
	Teams       []string // sorted
	CreatedAt   time.Time
	DisabledAt  time.Time // zero = may sign in
	LastSignIn  time.Time // zero = never
}

// CheckAccountName refuses names that an account cannot have.
func CheckAccountName(name string) error {
	if !accountForm.MatchString(name) {
		return fmt.Errorf("%w: name %q: want 1 to 64 letters, digits, '.', '_', '@', '+' or '-', beginning with a letter or digit", ErrAccount, name)
	}
	return nil
}

// ParseRole checks a role.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fmt.Errorf("%w: role %q: want viewer, operator or admin", ErrAccount, s)
}

// CheckReason refuses a reason that is too long to be read.
func CheckReason(reason string) error {
	if len(reason) > maxReason {
		return fmt.Errorf("%w: reason: %d bytes: want at most %d", ErrAccount, len(reason), maxReason)
	}
	return nil
}

// Team is a product team: its members may control the features that it owns.
type Team struct {
	Name      string
	About     string
	Members   []Member
	Features  []string // sorted; a feature has one owning team
	CreatedAt time.Time
	// Replaces is the Seen of what a team that is put goes over; "" = of whatever is there.
	Replaces string
}

// Local are the members whom somebody here named.
func (t *Team) Local() []string {
	var local []string
	for _, m := range t.Members {
		if !m.Claim {
			local = append(local, m.Name)
		}
	}
	return local
}

// Seen names what whoever changes a team goes over.
func (t *Team) Seen() string {
	sum := sha256.New()
	for _, list := range [][]string{{t.About}, t.Local(), t.Features} {
		fmt.Fprintf(sum, "%q", list)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Member is one person of a team.
type Member struct {
	Name  string
	Claim bool // said by the OpenID provider at the last sign-in, not set here
}

// Check refuses a team that breaks the rules, and sorts what it lists.
func (t *Team) Check() error {
	slices.Sort(t.Features)
	t.Features = slices.Compact(t.Features)
	slices.SortFunc(t.Members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	t.Members = slices.CompactFunc(t.Members, func(a, b Member) bool { return strings.EqualFold(a.Name, b.Name) })
	switch {
	case !teamForm.MatchString(t.Name):
		return fmt.Errorf("%w: team %q: want 1 to 64 of a-z, 0-9, '.', '_' or '-', beginning with a letter or digit", ErrAccount, t.Name)
	case len(t.About) > maxAbout:
		return fmt.Errorf("%w: about: %d bytes: want at most %d", ErrAccount, len(t.About), maxAbout)
	case len(t.Members) > MaxTeamMembers:
		return fmt.Errorf("%w: members: %d: want at most %d", ErrAccount, len(t.Members), MaxTeamMembers)
	case len(t.Features) > MaxTeamFeatures:
		return fmt.Errorf("%w: features: %d: want at most %d", ErrAccount, len(t.Features), MaxTeamFeatures)
	}
	for _, f := range t.Features {
		if !isFeature(f) {
			return fmt.Errorf("%w: feature %q: want other than . and .., 1 to %d bytes without space or comma", ErrAccount, f, maxFeature)
		}
	}
	return nil
}

// InviteLife is how long a link is good with which a person chooses a password.
const InviteLife = 24 * time.Hour

// Invite is a link with which a person chooses a password, once.
type Invite struct {
	Hash    [sha256.Size]byte
	User    string // "" = whoever opens it becomes the first administrator
	Created time.Time
	Expires time.Time
}

// NewInvite makes a link. The token is shown once and kept nowhere.
func NewInvite(user string, now time.Time) (i Invite, token string) {
	token = randomText(secretLen)
	now = now.UTC().Round(0)
	return Invite{Hash: SignInHash(token), User: user, Created: now, Expires: now.Add(InviteLife)}, token
}

// External is a person as an OpenID provider names them.
type External struct {
	Issuer, Subject string
	Names           []string // wanted account names, best first; the first that is free is taken
	Role            Role     // in force from now on; "" = as it is, Default for a new account
	Default         Role     // of a new account; "" = none is made
	NoRole          bool     // the provider says that they may do nothing here
	Teams           []string // of which the provider says they are a member; unknown ones are ignored
	SetTeams        bool     // the provider is asked for teams at all
}

// People keeps accounts, teams and whose each session is. Every change is recorded in
// the audit log in its own transaction. It is safe for concurrent use; values belong
// to the caller.
type People interface {
	// Accounts returns every account, ordered by name.
	Accounts(ctx context.Context) ([]Account, error)
	// Account returns one; ErrNoAccount when there is none.
	Account(ctx context.Context, name string) (Account, error)
	// CreateAccount stores a local account without a password; ErrNameTaken.
	CreateAccount(ctx context.Context, name string, role Role, c Change) error
	// SetRole changes what a person may do, at once; ErrNoAccount, ErrLastAdmin.
	SetRole(ctx context.Context, name string, role Role, c Change) error
	// SetDisabled ends or gives back a person's right to sign in. Disabling ends their
	// sessions. ErrNoAccount, ErrLastAdmin.
	SetDisabled(ctx context.Context, name string, disabled bool, c Change) error

	// PasswordHash returns the stored hash, "" when there is none or the account may
	// not sign in; ErrNoAccount.
	PasswordHash(ctx context.Context, name string) (string, error)
	// SetPassword puts a hash in the place of another (old, as PasswordHash returned it) and
	// ends every session of the person but one (keep, which may be ""), and the links with
	// which they could choose another. flags.ErrChanged when the hash is another by now,
	// ErrNoSession when the one that is kept ended.
	SetPassword(ctx context.Context, name, old, hash, keep string, c Change) error
	// Rehash replaces a hash by another of the same password, unless it has changed.
	Rehash(ctx context.Context, name, old, hash string) error

	// CreateInvite stores a link; earlier ones for the same person end.
	CreateInvite(ctx context.Context, i Invite, c Change) error
	// Invite returns a link that is good at that time; else ErrSignIn.
	Invite(ctx context.Context, hash [sha256.Size]byte, at time.Time) (Invite, error)
	// UseInvite uses a link up and stores the person's hash. With the link of the first
	// set-up it makes the administrator called name, unless there is one by now:
	// ErrSignIn. It returns the account's name.
	UseInvite(ctx context.Context, hash [sha256.Size]byte, name, password string, at time.Time) (string, error)

	// SignInExternal returns the account of a person from an OpenID provider, made or
	// brought up to date; ErrDisabled, ErrLastAdmin. ErrForbidden for whom the provider
	// gives no role: their sessions end.
	SignInExternal(ctx context.Context, e External, at time.Time) (Account, error)

	// Teams returns every team, ordered by name.
	Teams(ctx context.Context) ([]Team, error)
	// PutTeam inserts or replaces a team. Members that a provider named stay. ErrAccount,
	// ErrNoAccount for a member that is nobody, ErrOwned, flags.ErrChanged when it is not what
	// is replaced.
	PutTeam(ctx context.Context, t Team, c Change) error
	// DeleteTeam removes a team; its features then belong to nobody. ErrNoTeam.
	DeleteTeam(ctx context.Context, name string, c Change) error

	// SessionUser returns whose session that is, with what they may do now; seen is
	// when it was used before. ErrNoSession when it ended, was idle for too long, or
	// the account is disabled.
	SessionUser(ctx context.Context, id string, now time.Time) (u User, seen time.Time, err error)
	// TouchSessions moves the last use of sessions forward. It is not audited.
	TouchSessions(ctx context.Context, seen map[string]time.Time) error
	// Sessions returns the live sessions of a person, latest used first.
	Sessions(ctx context.Context, name string, now time.Time) ([]Session, error)
	// EndSession ends one session of a person; ErrNoSession.
	EndSession(ctx context.Context, name, id string, c Change) error
	// EndSessions ends every session of a person but one (keep, which may be "") and
	// returns how many.
	EndSessions(ctx context.Context, name, keep string, c Change) (int, error)
}

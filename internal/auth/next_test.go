package auth_test

import (
	"testing"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// present is a verified account that signed in some time ago and has allowed nothing.
func present(id string, ago time.Duration) auth.SignedInAccount {
	return auth.SignedInAccount{
		Session: auth.Session{ID: auth.SessionID("s-" + id), Account: auth.AccountID(id), AuthAt: noon.Add(-ago), ACR: "1", IdleAt: noon.Add(time.Hour), ExpiresAt: noon.Add(time.Hour)},
		Account: auth.Account{ID: auth.AccountID(id), Email: auth.Email{Address: id + "@example.test", Login: id + "@example.test"}, EmailVerifiedAt: noon.Add(-time.Hour)},
		Subject: id,
	}
}

func allowed(p auth.SignedInAccount, scope ...string) auth.SignedInAccount {
	p.Consent = auth.Consent{Account: p.Account.ID, Client: "app", Scope: scope, Audience: []string{"https://api.test"}}
	return p
}

func seconds(n int64) *int64 { return &n }

// scene changes a flow in which a third-party web client requests openid and no account is
// signed in.
type scene func(*auth.FlowState)

func with(people ...auth.SignedInAccount) scene {
	return func(n *auth.FlowState) { n.Browser = people }
}

func asking(change func(*auth.AuthorizationRequest)) scene {
	return func(n *auth.FlowState) { change(&n.Flow.Request) }
}

func prompt(values ...string) scene {
	return asking(func(r *auth.AuthorizationRequest) { r.Prompt = values })
}

func flow(change func(*auth.Flow)) scene { return func(n *auth.FlowState) { change(&n.Flow) } }

func chosen(id string) scene {
	return flow(func(f *auth.Flow) { f.Session = auth.SessionID("s-" + id) })
}

func proved(id string) scene {
	return flow(func(f *auth.Flow) { f.Session, f.ProvedAt = auth.SessionID("s-"+id), noon.Add(-time.Second) })
}

func client(change func(*auth.Client)) scene {
	return func(n *auth.FlowState) { change(&n.Client) }
}

func TestNext(t *testing.T) {
	t.Parallel()
	alice, bob := allowed(present("alice", time.Minute), "openid", "email"), allowed(present("bob", time.Minute), "openid")
	dead, shut, unproved, weak := alice, alice, alice, alice
	dead.Session.IdleAt = noon
	shut.Account.DisabledAt = noon
	unproved.Account.EmailVerifiedAt = time.Time{}
	weak.Session.ACR = "0"
	recent, lacking := alice, alice
	recent.Session.AMR = []string{"pwd"}
	lacking.Session.AMR, lacking.Factors = []string{"pwd"}, []auth.Factor{{Kind: auth.ProofTOTP, ProvedAt: noon}}
	first := client(func(c *auth.Client) { c.FirstParty = true })
	page := client(func(c *auth.Client) { c.Type, c.RedirectURIs = auth.ClientSPA, []string{"http://localhost:5173/cb"} })
	local := scene(func(n *auth.FlowState) { n.Local = true })
	public := client(func(c *auth.Client) { c.Type = auth.ClientNative })
	scope := func(s ...string) scene { return asking(func(r *auth.AuthorizationRequest) { r.Scope = s }) }
	hint := func(sub string) scene { return asking(func(r *auth.AuthorizationRequest) { r.Hint = sub }) }
	sub := func(sub string) scene {
		return asking(func(r *auth.AuthorizationRequest) { r.Claims.Subject = sub })
	}
	age := func(n int64) scene { return asking(func(r *auth.AuthorizationRequest) { r.MaxAge = seconds(n) }) }
	acr := func(v ...string) scene { return asking(func(r *auth.AuthorizationRequest) { r.Claims.ACR = v }) }
	said := func(s ...string) scene { return flow(func(f *auth.Flow) { f.Allowed = append(auth.Scope{}, s...) }) }
	uri := func(u string) scene { return asking(func(r *auth.AuthorizationRequest) { r.RedirectURI = u }) }
	kind := func(k auth.FlowKind) scene { return flow(func(f *auth.Flow) { f.Kind = k }) }
	device := flow(func(f *auth.Flow) { f.Kind, f.Device = auth.FlowDevice, "digest" })
	denied := flow(func(f *auth.Flow) { f.Denied = true })
	offer := flow(func(f *auth.Flow) { f.OfferPasskey = true })
	none := prompt("none")
	for name, c := range map[string]struct {
		scene []scene
		want  string // the step, with the error or the session
	}{
		"no account":                             {nil, "login"},
		"a session that is over":                 {[]scene{with(dead)}, "login"},
		"an account that is shut":                {[]scene{with(shut)}, "login"},
		"signed in and allowed":                  {[]scene{with(alice)}, "answer s-alice"},
		"signed in, nothing allowed yet":         {[]scene{with(present("alice", 0))}, "consent s-alice"},
		"our own client":                         {[]scene{with(present("alice", 0)), first}, "answer s-alice"},
		"our own client, prompt=consent":         {[]scene{with(alice), first, prompt("consent")}, "answer s-alice"},
		"allowed in this flow":                   {[]scene{with(present("alice", 0)), chosen("alice"), said("openid")}, "answer s-alice"},
		"allowed nothing at all, but said so":    {[]scene{with(present("alice", 0)), chosen("alice"), scope(), said()}, "answer s-alice"},
		"S1 more than the page showed":           {[]scene{with(present("alice", 0)), scope("openid", "phone"), chosen("alice"), said("openid")}, "consent s-alice"},
		"said no":                                {[]scene{with(alice), denied}, "answer access_denied"},
		"AZ-46 more than was allowed":            {[]scene{with(alice), scope("openid", "phone")}, "consent s-alice"},
		"AZ-46 less than was allowed":            {[]scene{with(alice), scope("email")}, "answer s-alice"},
		"AZ-46 no scope, nothing allowed":        {[]scene{with(present("alice", 0)), scope()}, "consent s-alice"},
		"AZ-46 no scope, something allowed":      {[]scene{with(alice), scope()}, "answer s-alice"},
		"AZ-46 a resource that was not allowed":  {[]scene{with(alice), asking(func(r *auth.AuthorizationRequest) { r.Resources = []string{"https://other.test"} })}, "consent s-alice"},
		"AZ-46 a resource that was allowed":      {[]scene{with(alice), asking(func(r *auth.AuthorizationRequest) { r.Resources = []string{"https://api.test"} })}, "answer s-alice"},
		"AZ-46 public, scheme of its own":        {[]scene{with(alice), public, uri("com.example.app:/cb")}, "consent s-alice"},
		"AZ-46 public, loopback":                 {[]scene{with(alice), public, uri("http://127.0.0.1:9/cb")}, "consent s-alice"},
		"AZ-46 public, scheme, prompt=none":      {[]scene{with(alice), public, none, uri("com.example.app:/cb")}, "answer consent_required"},
		"AZ-46 our own on the device":            {[]scene{with(alice), first, public, uri("http://127.0.0.1:9/cb")}, "consent s-alice"},
		"AZ-46 our own on the device, none":      {[]scene{with(alice), first, public, none, uri("http://127.0.0.1:9/cb")}, "answer consent_required"},
		"AZ-46 our own on the device, proved":    {[]scene{with(alice), first, public, uri("http://127.0.0.1:9/cb"), proved("alice")}, "answer s-alice"},
		"AZ-46 our own on the device, another":   {[]scene{with(alice), first, public, uri("http://127.0.0.1:9/cb"), proved("bob")}, "consent s-alice"},
		"AZ-46 our own on the device, allowed":   {[]scene{with(alice), first, public, uri("http://127.0.0.1:9/cb"), chosen("alice"), said("openid")}, "answer s-alice"},
		"AZ-46 our own public, https":            {[]scene{with(alice), first, public}, "answer s-alice"},
		"AZ-46 public, https":                    {[]scene{with(alice), public}, "answer s-alice"},
		"our own page in development, none":      {[]scene{with(alice), first, page, none, local, uri("http://localhost:5173/cb")}, "answer s-alice"},
		"our own page on another port, none":     {[]scene{with(alice), first, page, none, local, uri("http://localhost:5174/cb")}, "answer consent_required"},
		"our own page on loopback, none":         {[]scene{with(alice), first, page, none, uri("http://localhost:5173/cb")}, "answer consent_required"},
		"our own program in development, none":   {[]scene{with(alice), first, public, none, local, uri("http://127.0.0.1:9/cb")}, "answer consent_required"},
		"third-party page in development, none":  {[]scene{with(alice), page, none, local, uri("http://localhost:5173/cb")}, "answer consent_required"},
		"AZ-46 confidential, loopback":           {[]scene{with(alice), uri("http://localhost/cb")}, "answer s-alice"},
		"prompt=consent":                         {[]scene{with(alice), prompt("consent")}, "consent s-alice"},
		"prompt=consent, allowed in this flow":   {[]scene{with(alice), prompt("consent"), chosen("alice"), said("openid")}, "answer s-alice"},
		"AZ-18 prompt=none, no account":          {[]scene{none}, "answer login_required"},
		"prompt=none, session over":              {[]scene{with(dead), none}, "answer login_required"},
		"prompt=none, allowed":                   {[]scene{with(alice), none}, "answer s-alice"},
		"prompt=none, not allowed":               {[]scene{with(present("alice", 0)), none}, "answer consent_required"},
		"prompt=none, several":                   {[]scene{with(alice, bob), none}, "answer account_selection_required"},
		"prompt=none, several and a hint":        {[]scene{with(alice, bob), none, hint("bob")}, "answer s-bob"},
		"prompt=none, address not confirmed":     {[]scene{with(unproved), none}, "answer interaction_required"},
		"AZ-21 prompt=none, max_age over":        {[]scene{with(alice), none, age(59)}, "answer login_required"},
		"AZ-22 prompt=none, hint of another":     {[]scene{with(alice), none, hint("bob")}, "answer login_required"},
		"hint of another":                        {[]scene{with(alice), hint("bob")}, "login"},
		"hint of another, who signed in":         {[]scene{with(alice, bob), hint("bob"), proved("bob")}, "answer s-bob"},
		"hint of bob, alice signed in":           {[]scene{with(alice), hint("bob"), proved("alice")}, "answer login_required"},
		"sub of bob, alice signed in":            {[]scene{with(alice), sub("bob"), proved("alice")}, "answer login_required"},
		"sub of the one who is there":            {[]scene{with(alice), sub("alice")}, "answer s-alice"},
		"sub and hint differ":                    {[]scene{with(alice, bob), sub("alice"), hint("bob")}, "login"},
		"several":                                {[]scene{with(alice, bob)}, "choose"},
		"several, of which one lives":            {[]scene{with(dead, bob)}, "answer s-bob"},
		"several, one chosen":                    {[]scene{with(alice, bob), chosen("bob")}, "answer s-bob"},
		"several, the chosen one has gone":       {[]scene{with(alice, bob), chosen("carol")}, "choose"},
		"several, login_hint of one":             {[]scene{with(alice, bob), asking(func(r *auth.AuthorizationRequest) { r.LoginHint = "bob@example.test" })}, "answer s-bob"},
		"several, login_hint of no account":      {[]scene{with(alice, bob), asking(func(r *auth.AuthorizationRequest) { r.LoginHint = "carol@example.test" })}, "choose"},
		"several, none of them":                  {[]scene{with(alice, bob), flow(func(f *auth.Flow) { f.Session = auth.AddAccount })}, "login"},
		"one, and not this":                      {[]scene{with(alice), flow(func(f *auth.Flow) { f.Session = auth.AddAccount })}, "login"},
		"prompt=select_account":                  {[]scene{with(alice), prompt("select_account")}, "choose"},
		"prompt=select_account, no account":      {[]scene{prompt("select_account")}, "login"},
		"prompt=select_account, chosen":          {[]scene{with(alice), prompt("select_account"), chosen("alice")}, "answer s-alice"},
		"prompt=create":                          {[]scene{with(alice), prompt("create")}, "register"},
		"prompt=create, done":                    {[]scene{with(alice), prompt("create"), proved("alice")}, "answer s-alice"},
		"AZ-20 prompt=login":                     {[]scene{with(alice), prompt("login")}, "login s-alice"},
		"AZ-20 prompt=login, chosen only":        {[]scene{with(alice), prompt("login"), chosen("alice")}, "login s-alice"},
		"AZ-20 prompt=login, proved":             {[]scene{with(alice), prompt("login"), proved("alice")}, "answer s-alice"},
		"AZ-20 prompt=login, proved as another":  {[]scene{with(alice), prompt("login"), proved("bob")}, "login s-alice"},
		"allowed by another, who has left":       {[]scene{with(present("alice", 0)), chosen("bob"), said("openid")}, "consent s-alice"},
		"prompt=login consent, proved":           {[]scene{with(alice), prompt("login", "consent"), proved("alice")}, "consent s-alice"},
		"AZ-21 max_age=0":                        {[]scene{with(allowed(present("alice", 0), "openid")), age(0)}, "login s-alice"},
		"AZ-21 max_age=0, proved":                {[]scene{with(alice), age(0), proved("alice")}, "answer s-alice"},
		"AZ-21 max_age=1 after 2 s":              {[]scene{with(allowed(present("alice", 2*time.Second), "openid")), age(1)}, "login s-alice"},
		"AZ-21 max_age=60 after 60 s":            {[]scene{with(alice), age(60)}, "answer s-alice"},
		"AZ-21 max_age beyond all years":         {[]scene{with(alice), age(1 << 62)}, "answer s-alice"},
		"essential acr that is there":            {[]scene{with(alice), acr("9", "1")}, "answer s-alice"},
		"essential acr that is not reachable":    {[]scene{with(alice), acr("9")}, "answer unmet_authentication_requirements"},
		"essential acr that the session has not": {[]scene{with(weak), acr("1")}, "login s-alice"},
		"essential acr, prompt=none":             {[]scene{with(weak), acr("1"), none}, "answer login_required"},
		"address not confirmed":                  {[]scene{with(unproved)}, "verify_email s-alice"},
		"address not confirmed, and may be":      {[]scene{with(unproved), func(n *auth.FlowState) { n.Tenant.Settings.AllowUnverified = true }}, "answer s-alice"},

		"a passkey is offered":           {[]scene{with(alice), proved("alice"), offer}, "offer s-alice"},
		"offered, but not signed in now": {[]scene{with(alice), chosen("alice"), offer}, "answer s-alice"},
		"account: a passkey is offered":  {[]scene{kind(auth.FlowAccount), with(alice), proved("alice"), offer}, "offer s-alice"},
		"device: a passkey is offered":   {[]scene{device, with(alice), proved("alice"), offer}, "offer s-alice"},
		"account: no account":            {[]scene{kind(auth.FlowAccount)}, "login"},
		"account: signed in":             {[]scene{kind(auth.FlowAccount), with(alice, bob)}, "done s-alice"},
		"account: another":               {[]scene{kind(auth.FlowAccount), with(alice, bob), proved("bob")}, "done s-bob"},
		"account: one more":              {[]scene{kind(auth.FlowAccount), with(alice), flow(func(f *auth.Flow) { f.Session = auth.AddAccount })}, "login"},
		"account: max_age":               {[]scene{kind(auth.FlowAccount), with(recent), age(60)}, "done s-alice"},
		"account: max_age is over":       {[]scene{kind(auth.FlowAccount), with(recent), age(59)}, "login s-alice"},
		"account: max_age, weaker":       {[]scene{kind(auth.FlowAccount), with(lacking), age(300)}, "factor s-alice"},
		"account: max_age, another":      {[]scene{kind(auth.FlowAccount), with(lacking, recent), age(300), chosen("alice")}, "factor s-alice"},
		"account: max_age, no account":   {[]scene{kind(auth.FlowAccount), age(300)}, "login"},
		"account: address not confirmed": {[]scene{kind(auth.FlowAccount), with(unproved)}, "verify_email s-alice"},
		"device: no code":                {[]scene{kind(auth.FlowDevice), with(alice)}, "device_code"},
		"device: no account":             {[]scene{device}, "login"},
		"device: several":                {[]scene{device, with(alice, bob)}, "choose"},
		"device: not confirmed address":  {[]scene{device, with(unproved)}, "verify_email s-alice"},
		"device: asked each time":        {[]scene{device, with(alice), first}, "device_confirm s-alice"},
		"device: yes":                    {[]scene{device, with(alice), chosen("alice"), said("openid")}, "done s-alice"},
		"device: no":                     {[]scene{device, with(alice), chosen("alice"), denied}, "done s-alice"},
	} {
		n := auth.FlowState{Now: noon, Client: auth.Client{ID: "app", Type: auth.ClientWeb}, Flow: auth.Flow{Kind: auth.FlowAuthorize,
			Request: auth.AuthorizationRequest{Client: "app", RedirectURI: "https://app.test/cb", Scope: auth.Scope{"openid"}}}}
		for _, s := range c.scene {
			s(&n)
		}
		step := auth.Next(n)
		got := string(step.Kind)
		if step.Error != "" {
			got += " " + step.Error
		} else if step.Session != "" {
			got += " " + string(step.Session)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestNextOfFactors: what a flow's proofs and a session lack, under each policy.
func TestNextOfFactors(t *testing.T) {
	t.Parallel()
	app := auth.Factor{Kind: auth.ProofTOTP, ProvedAt: noon}
	password := auth.Proof{Method: auth.ProofPassword, Account: "alice", At: noon}
	for name, c := range map[string]struct {
		policy    auth.FactorPolicy
		client    auth.FactorPolicy
		roles     map[string]auth.FactorPolicy
		factors   []auth.Factor
		proofs    []auth.Proof // of the flow; none for an account that is signed in by password
		acr       []string     // acr_values
		essential []string
		want      string
	}{
		"session, nothing required":         {want: "answer"},
		"session, own factor":               {factors: []auth.Factor{app}, want: "answer"}, // added after the session began
		"session, required":                 {policy: auth.FactorsRequired, want: "enrol"},
		"session, required, own factor":     {policy: auth.FactorsRequired, factors: []auth.Factor{app}, want: "factor"},
		"session, required by the client":   {client: auth.FactorsRequired, factors: []auth.Factor{app}, want: "factor"},
		"session, required of a role":       {roles: map[string]auth.FactorPolicy{"admin": auth.FactorsRequired}, want: "enrol"},
		"session, of another role":          {roles: map[string]auth.FactorPolicy{"other": auth.FactorsRequired}, want: "answer"},
		"session, off":                      {policy: auth.FactorsOff, factors: []auth.Factor{app}, want: "answer"},
		"session, essential acr":            {essential: []string{"2"}, factors: []auth.Factor{app}, want: "factor"},
		"session, essential acr, no factor": {essential: []string{"2"}, want: "enrol"},
		"session, one of two acrs":          {essential: []string{"phr", "1"}, want: "answer"},
		"session, acr_values":               {acr: []string{"2"}, factors: []auth.Factor{app}, want: "factor"},
		"session, acr_values, no factor":    {acr: []string{"2"}, want: "answer"},
		"session, second acr_value":         {acr: []string{"phr", "2"}, factors: []auth.Factor{app}, want: "factor"},
		"session, first acr_value":          {acr: []string{"1", "2"}, factors: []auth.Factor{app}, want: "answer"},
		"password":                          {proofs: []auth.Proof{password}, factors: []auth.Factor{app}, want: "factor"},
		"password, required":                {proofs: []auth.Proof{password}, policy: auth.FactorsRequired, want: "enrol"},
	} {
		n := auth.FlowState{Now: noon, Client: auth.Client{ID: "app", Type: auth.ClientWeb, RedirectURIs: []string{"https://app.test/cb"}}}
		n.Flow = auth.Flow{Kind: auth.FlowAuthorize, CreatedAt: noon, Proofs: c.proofs, Request: auth.AuthorizationRequest{Client: "app", RedirectURI: "https://app.test/cb", Scope: auth.Scope{"openid"}, ACR: c.acr}}
		n.Flow.Request.Claims.ACR = c.essential
		n.Client.Settings.SecondFactor = c.client
		n.Tenant.Settings.Factors = auth.FactorSettings{Policy: c.policy, Roles: c.roles}
		p := allowed(present("alice", time.Minute), "openid")
		p.Session.AMR, p.Factors, p.Roles = []string{"pwd"}, c.factors, []string{"admin"}
		if c.proofs != nil {
			n.Pending = auth.SignedInAccount{Account: p.Account, Factors: c.factors}
		} else {
			n.Browser = []auth.SignedInAccount{p}
		}
		for kind, end := range map[auth.FlowKind]string{auth.FlowAuthorize: "answer", auth.FlowDevice: "device_confirm", auth.FlowAccount: "done"} {
			if kind != auth.FlowAuthorize && (c.proofs == nil || c.acr != nil) {
				continue
			}
			n.Flow.Kind, n.Flow.Device = kind, "device"
			want := c.want
			if want == "answer" {
				want = end
			}
			if got := auth.Next(n); string(got.Kind) != want || got.Error != "" {
				t.Errorf("%s, %s: %+v, want %s", name, kind, got, want)
			}
		}
	}
}

// TestAttack_MF_06_OldSessionAddsNoFactor: in a flow, a factor is added within minutes of a sign-in only.
func TestAttack_MF_06_OldSessionAddsNoFactor(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]auth.StepKind{5 * time.Minute: auth.StepEnrol, 5*time.Minute + time.Second: auth.StepLogin} {
		n := auth.FlowState{Now: noon, Flow: auth.Flow{Kind: auth.FlowAccount}}
		n.Tenant.Settings.Factors.Policy = auth.FactorsRequired
		p := present("alice", ago)
		p.Session.AMR = []string{"pwd"}
		n.Browser = []auth.SignedInAccount{p}
		if got := auth.Next(n); got.Kind != want {
			t.Errorf("after %s: %s", ago, got.Kind)
		}
	}
}

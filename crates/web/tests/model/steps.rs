//! Steps of a sequence, and how sequences are drawn: out of small alphabets, so that steps meet the same users, names,
//! addresses, codes, sessions and tokens again and again.
//!
//! What an earlier step was answered is named by how many of its kind have come since: 0 is the newest. A sequence from
//! which steps are taken away, as shrinking does, therefore still means something.

use proptest::{prelude::*, sample::select};

/// Passwords, the last of which no policy takes.
pub const PASSWORDS: [&str; 3] = ["Passw0rd-1", "Passw0rd-2", "short"];
/// How many users, mail addresses and phone numbers there are.
pub const USERS: usize = 3;
/// Challenges that can be answered.
pub const CHALLENGES: [&str; 8] = [
    "NEW_PASSWORD_REQUIRED",
    "SMS_MFA",
    "EMAIL_OTP",
    "SOFTWARE_TOKEN_MFA",
    "SELECT_MFA_TYPE",
    "MFA_SETUP",
    "SELECT_CHALLENGE",
    "PASSWORD",
];
/// Seconds that pass at once: within and beyond a grace period, a step of a software token, a session, an hour, a day, the
/// life of a temporary password and of a refresh token.
const PAUSES: [i64; 11] = [1, 5, 15, 31, 61, 185, 1_000, 3_700, 90_000, 700_000, 2_700_000];

/// How a request names a user.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    /// As the user was named at first.
    User(usize),
    /// The same in capitals.
    Capitals(usize),
    /// By a mail address, which may be somebody's or nobody's.
    Email(usize),
    /// By the id of a user who was created so many users ago.
    Sub(usize),
}

/// A token in the place of an access token.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    Access(usize),
    /// The ID token that came with it.
    Id(usize),
    Garbage,
}

/// A code in a request.
#[derive(Clone, Copy, Debug)]
pub enum Code {
    /// The last one that was sent for this purpose.
    Newest,
    /// The one before.
    Earlier,
    /// The last one that was sent for any other purpose.
    OfAnother,
    Wrong,
}

/// A code of a software token.
#[derive(Clone, Copy, Debug)]
pub enum TokenCode {
    /// Of the step that lies so many steps after the present one.
    Step(i64),
    Wrong,
}

/// What a step says about itself where it could say the wrong thing.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    None,
    /// Answers another challenge than the session's.
    Challenge(usize),
    /// Comes from the other client.
    Client,
    /// Names another user.
    Name(Name),
}

#[derive(Clone, Copy, Debug)]
pub enum Address {
    Email,
    Phone,
}

/// What an administrator does to an address.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Set(usize),
    SetVerified(usize),
    Verify,
    Unverify,
    Delete,
}

/// How USER_AUTH begins.
#[derive(Clone, Copy, Debug)]
pub enum Prefer {
    Nothing,
    /// PASSWORD, with one.
    Password(usize),
    /// PASSWORD, without one.
    Ask,
    EmailOtp,
}

/// Switches for one second factor: whether it is to be on, whether it is to be preferred.
pub type Switch = Option<(bool, bool)>;

/// Whose software token is set up.
#[derive(Clone, Copy, Debug)]
pub enum Holder {
    Token(Token),
    Session(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Step {
    Wait(i64),
    Sweep,
    SignUp {
        client: usize,
        name: Name,
        password: Option<usize>,
        email: Option<usize>,
        phone: Option<usize>,
    },
    ConfirmSignUp {
        client: usize,
        name: Name,
        code: Code,
        force: bool,
    },
    Resend {
        client: usize,
        name: Name,
    },
    AdminCreateUser {
        name: Name,
        password: Option<usize>,
        email: Option<(usize, bool)>,
        phone: Option<usize>,
        force: bool,
    },
    Invite {
        name: Name,
        password: usize,
    },
    AdminConfirmSignUp(Name),
    AdminSetUserPassword {
        name: Name,
        password: usize,
        permanent: bool,
    },
    AdminResetUserPassword(Name),
    AdminDisableUser(Name),
    AdminEnableUser(Name),
    AdminUserGlobalSignOut(Name),
    AdminDeleteUser(Name),
    AdminGetUser(Name),
    AdminUpdateUserAttributes {
        name: Name,
        address: Address,
        change: Change,
    },
    AdminAddUserToGroup(Name),
    AdminRemoveUserFromGroup(Name),
    ForgotPassword {
        client: usize,
        name: Name,
    },
    ConfirmForgotPassword {
        client: usize,
        name: Name,
        code: Code,
        password: usize,
    },
    PasswordAuth {
        client: usize,
        name: Name,
        password: usize,
    },
    SrpAuth {
        client: usize,
        name: Name,
        password: usize,
    },
    /// The last proof of a password once more, word for word.
    RepeatSrp,
    UserAuth {
        client: usize,
        name: Name,
        prefer: Prefer,
    },
    /// `choice` says which of several answers is given where there are several.
    Answer {
        session: usize,
        code: Code,
        token_code: TokenCode,
        choice: usize,
        password: usize,
        twist: Twist,
    },
    RefreshAuth {
        client: usize,
        token: usize,
    },
    Renew {
        client: usize,
        token: usize,
    },
    RevokeToken {
        client: usize,
        token: usize,
    },
    RevokeAccessToken {
        client: usize,
        token: usize,
    },
    GetUser(Token),
    GlobalSignOut(Token),
    DeleteUser(Token),
    ChangePassword {
        token: Token,
        previous: usize,
        proposed: usize,
    },
    UpdateUserAttributes {
        token: Token,
        address: Address,
        value: Option<usize>,
    },
    SendAttributeCode {
        token: Token,
        address: Address,
    },
    VerifyUserAttribute {
        token: Token,
        address: Address,
        code: Code,
    },
    SetUserMfaPreference {
        token: Token,
        sms: Switch,
        software_token: Switch,
        email: Switch,
    },
    AssociateSoftwareToken(Holder),
    VerifySoftwareToken {
        holder: Holder,
        code: TokenCode,
    },
}

/// A sequence on users of its own: in which kind of pool, how many users are there at the beginning, and the steps.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub pool: usize,
    pub ready: usize,
    pub steps: Vec<Step>,
}

/// Sequences of up to so many phrases.
pub fn sequence(pools: usize, most: usize) -> impl Strategy<Value = Sequence> {
    let phrases = proptest::collection::vec(phrase(), 1..=most);
    (0..pools, 0..=USERS, phrases).prop_map(|(pool, ready, phrases)| Sequence { pool, ready, steps: phrases.concat() })
}

/// Steps that belong together, since chance alone would rarely bring together what some states need.
/// (Boxed: a tree of all these on the stack is more than a thread of a test has.)
fn phrase() -> BoxedStrategy<Vec<Step>> {
    let client = || 0..2_usize;
    let newest = Token::Access(0);
    let right = |choice| Step::Answer {
        session: 0,
        code: Code::Newest,
        token_code: TokenCode::Step(1),
        choice,
        password: 0,
        twist: Twist::None,
    };
    prop_oneof![
        24 => step().prop_map(|step| vec![step]),
        2 => (step(), 2..8_usize).prop_map(|(step, times)| vec![step; times]),
        // Guesses.
        1 => (client(), user(), 4..9_usize, pause()).prop_map(|(client, name, times, pause)| {
            let guesses = vec![Step::PasswordAuth { client, name, password: 1 }; times];
            let right = Step::PasswordAuth { client, name, password: 0 };
            [guesses, vec![right, pause, right]].concat()
        }),
        1 => (1..7_usize, 0..4_usize, pause()).prop_map(move |(times, choice, pause)| {
            let wrong = Step::Answer {
                session: 0,
                code: Code::Wrong,
                token_code: TokenCode::Wrong,
                choice,
                password: 1,
                twist: Twist::None
            };
            [vec![wrong; times], vec![right(choice), pause, right(choice)]].concat()
        }),
        // Sign-ins to the end, and once more with what was used up.
        4 => (client(), user(), 0..3_usize, any::<bool>()).prop_map(move |(client, name, choice, again)| {
            let mut steps = vec![Step::PasswordAuth { client, name, password: 0 }, right(choice), right(choice)];
            steps.extend(again.then_some(Step::Answer {
                session: 1,
                code: Code::Newest,
                token_code: TokenCode::Step(1),
                choice,
                password: 0,
                twist: Twist::None,
            }));
            steps
        }),
        2 => (client(), user(), any::<bool>()).prop_map(move |(client, name, prefers)| {
            let prefer = if prefers { Prefer::EmailOtp } else { Prefer::Nothing };
            vec![Step::UserAuth { client, name, prefer }, right(1), right(1)]
        }),
        1 => (client(), user(), password())
            .prop_map(|(client, name, password)| vec![Step::SrpAuth { client, name, password }, Step::RepeatSrp]),
        // Second factors.
        2 => (client(), user(), switch(), switch(), switch()).prop_map(
            move |(client, name, sms, software_token, email)| vec![
                Step::PasswordAuth { client, name, password: 0 },
                Step::AssociateSoftwareToken(Holder::Token(newest)),
                Step::VerifySoftwareToken { holder: Holder::Token(newest), code: TokenCode::Step(0) },
                Step::SetUserMfaPreference { token: newest, sms, software_token, email },
                Step::PasswordAuth { client, name, password: 0 },
                right(1),
                right(1),
            ]
        ),
        2 => (client(), user()).prop_map(move |(client, name)| vec![
            Step::PasswordAuth { client, name, password: 0 },
            Step::AssociateSoftwareToken(Holder::Session(0)),
            Step::VerifySoftwareToken { holder: Holder::Session(0), code: TokenCode::Step(0) },
            right(0),
            Step::PasswordAuth { client, name, password: 0 },
            right(0),
        ]),
        // Refresh tokens that are replaced, and come back.
        2 => (user(), pause(), 0..3_usize, any::<bool>()).prop_map(|(name, pause, back, ends)| {
            let mut steps = vec![
                Step::PasswordAuth { client: 1, name, password: 0 },
                Step::Renew { client: 1, token: 0 },
                pause,
                Step::Renew { client: 1, token: 1 },
                Step::Renew { client: 1, token: back },
                Step::GetUser(Token::Access(back)),
            ];
            let revoke = [Step::RevokeToken { client: 1, token: back }, Step::Renew { client: 1, token: 0 }];
            steps.extend(revoke.into_iter().filter(|_| ends));
            steps
        }),
        1 => (client(), user(), 1..5_usize).prop_map(|(client, name, times)| {
            let mut steps = vec![Step::PasswordAuth { client: 0, name, password: 0 }];
            steps.extend([Step::RefreshAuth { client: 0, token: 0 }, Step::RevokeToken { client, token: 0 }].repeat(times));
            steps
        }),
        // Codes that are asked for and given.
        2 => (client(), user(), client(), code(), password()).prop_map(|(client, name, other, code, password)| vec![
            Step::ForgotPassword { client, name },
            Step::ConfirmForgotPassword { client: other, name, code, password },
            Step::ConfirmForgotPassword { client: other, name, code: Code::Newest, password: 0 },
        ]),
        1 => (user(), client(), code(), 2..9_usize).prop_map(|(name, client, code, times)| {
            let confirm = Step::ConfirmForgotPassword { client, name, code, password: 2 };
            [vec![Step::AdminResetUserPassword(name)], vec![confirm; times]].concat()
        }),
        2 => (client(), user(), 0..USERS, code(), any::<bool>()).prop_map(|(client, name, email, code, force)| vec![
            Step::SignUp { client, name, password: Some(0), email: Some(email), phone: None },
            Step::ConfirmSignUp { client, name, code, force },
            Step::ConfirmSignUp { client, name, code: Code::Newest, force },
        ]),
        1 => (client(), user(), 2..9_usize, any::<bool>()).prop_map(|(client, name, times, resends)| {
            let wrong = Step::ConfirmSignUp { client, name, code: Code::Wrong, force: false };
            let step = if resends { Step::Resend { client, name } } else { wrong };
            let right = Step::ConfirmSignUp { client, name, code: Code::Newest, force: false };
            [vec![step; times], vec![right]].concat()
        }),
        2 => (client(), user(), address(), 0..USERS, code(), 1..6_usize).prop_map(
            move |(client, name, address, value, code, times)| {
                let wrong = Step::VerifyUserAttribute { token: newest, address, code };
                let mut steps = vec![
                    Step::PasswordAuth { client, name, password: 0 },
                    Step::UpdateUserAttributes { token: newest, address, value: Some(value) },
                    Step::SendAttributeCode { token: newest, address },
                ];
                steps.extend(vec![wrong; times]);
                steps
            }
        ),
        1 => (client(), user(), password(), 2..6_usize).prop_map(move |(client, name, password, times)| {
            let change = Step::ChangePassword { token: newest, previous: password, proposed: password };
            [vec![Step::PasswordAuth { client, name, password: 0 }], vec![change; times]].concat()
        }),
        // Something that is under way, what an administrator does meanwhile, and what then comes of it.
        4 => (client(), user(), 0..5_usize, 0..USERS).prop_map(move |(client, name, interruption, value)| {
            let begin = vec![Step::PasswordAuth { client, name, password: 0 }, Step::ForgotPassword { client, name }];
            let meanwhile = match interruption {
                0 => vec![Step::AdminDisableUser(name), Step::AdminEnableUser(name)],
                1 => vec![Step::AdminSetUserPassword { name, password: 0, permanent: true }],
                2 => vec![Step::AdminUpdateUserAttributes {
                    name,
                    address: Address::Email,
                    change: Change::SetVerified(value)
                }],
                3 => vec![Step::AdminUserGlobalSignOut(name)],
                _ => vec![Step::ChangePassword { token: newest, previous: 0, proposed: 0 }],
            };
            let end = vec![
                Step::GetUser(newest),
                Step::Renew { client, token: 0 },
                right(0),
                Step::ConfirmForgotPassword { client, name, code: Code::Newest, password: 0 },
            ];
            [begin, meanwhile, end].concat()
        }),
    ]
    .boxed()
}

/// Mostly the first.
fn user() -> impl Strategy<Value = Name> {
    prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)].prop_map(Name::User)
}

fn pause() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => select(&PAUSES[..4]),
        4 => select(&PAUSES[4..6]),
        2 => select(&PAUSES[6..8]),
        1 => select(&PAUSES[8..]),
    ]
    .prop_map(Step::Wait)
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        12 => user(),
        1 => (0..USERS).prop_map(Name::Capitals),
        3 => (0..USERS).prop_map(Name::Email),
        1 => (0..USERS).prop_map(Name::Sub),
    ]
}

/// Mostly the first, which users have at the beginning.
fn password() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => Just(2)]
}

/// Mostly the newest.
fn back() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 2 => Just(1), 1 => 2..5_usize]
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        20 => back().prop_map(Token::Access),
        1 => back().prop_map(Token::Id),
        1 => Just(Token::Garbage),
    ]
}

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![8 => Just(Code::Newest), 1 => Just(Code::Earlier), 1 => Just(Code::OfAnother), 2 => Just(Code::Wrong)]
}

fn token_code() -> impl Strategy<Value = TokenCode> {
    prop_oneof![6 => Just(0_i64), 2 => Just(1), 2 => Just(-1), 1 => Just(2), 1 => Just(-2)]
        .prop_map(TokenCode::Step)
        .prop_flat_map(|right| prop_oneof![5 => Just(right), 1 => Just(TokenCode::Wrong)])
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![3 => Just(Address::Email), 1 => Just(Address::Phone)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (0..USERS).prop_map(Change::Set),
        4 => (0..USERS).prop_map(Change::SetVerified),
        3 => Just(Change::Verify),
        1 => Just(Change::Unverify),
        1 => Just(Change::Delete),
    ]
}

fn switch() -> impl Strategy<Value = Switch> {
    prop_oneof![2 => Just(None), 3 => (prop::bool::weighted(0.8), any::<bool>()).prop_map(Some)]
}

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![3 => token().prop_map(Holder::Token), 2 => back().prop_map(Holder::Session)]
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        20 => Just(Twist::None),
        1 => (0..CHALLENGES.len()).prop_map(Twist::Challenge),
        1 => Just(Twist::Client),
        1 => name().prop_map(Twist::Name),
    ]
}

fn prefer() -> impl Strategy<Value = Prefer> {
    prop_oneof![
        1 => Just(Prefer::Nothing),
        1 => password().prop_map(Prefer::Password),
        1 => Just(Prefer::Ask),
        2 => Just(Prefer::EmailOtp),
    ]
}

fn step() -> BoxedStrategy<Step> {
    let client = || 0..2_usize;
    let email = || proptest::option::of(0..USERS);
    let phone = || proptest::option::weighted(0.4, 0..USERS);
    let accounts = prop_oneof![
        6 => (client(), name(), proptest::option::weighted(0.9, password()), email(), phone()).prop_map(
            |(client, name, password, email, phone)| Step::SignUp { client, name, password, email, phone }
        ),
        6 => (client(), name(), code(), any::<bool>())
            .prop_map(|(client, name, code, force)| Step::ConfirmSignUp { client, name, code, force }),
        2 => (client(), name()).prop_map(|(client, name)| Step::Resend { client, name }),
        3 => (
            name(),
            proptest::option::weighted(0.9, password()),
            proptest::option::of((0..USERS, any::<bool>())),
            phone(),
            any::<bool>()
        )
            .prop_map(|(name, password, email, phone, force)| Step::AdminCreateUser {
                name,
                password,
                email,
                phone,
                force
            }),
        1 => (name(), password()).prop_map(|(name, password)| Step::Invite { name, password }),
        2 => name().prop_map(Step::AdminConfirmSignUp),
        3 => (name(), password(), prop::bool::weighted(0.6))
            .prop_map(|(name, password, permanent)| Step::AdminSetUserPassword { name, password, permanent }),
        2 => name().prop_map(Step::AdminResetUserPassword),
        1 => name().prop_map(Step::AdminDisableUser),
        2 => name().prop_map(Step::AdminEnableUser),
        1 => name().prop_map(Step::AdminUserGlobalSignOut),
        1 => name().prop_map(Step::AdminDeleteUser),
        2 => name().prop_map(Step::AdminGetUser),
        4 => (name(), address(), change())
            .prop_map(|(name, address, change)| Step::AdminUpdateUserAttributes { name, address, change }),
        1 => name().prop_map(Step::AdminAddUserToGroup),
        1 => name().prop_map(Step::AdminRemoveUserFromGroup),
        4 => (client(), name()).prop_map(|(client, name)| Step::ForgotPassword { client, name }),
        5 => (client(), name(), code(), password())
            .prop_map(|(client, name, code, password)| Step::ConfirmForgotPassword { client, name, code, password }),
    ];
    let sign_in = prop_oneof![
        16 => (client(), name(), password())
            .prop_map(|(client, name, password)| Step::PasswordAuth { client, name, password }),
        1 => (client(), name(), password())
            .prop_map(|(client, name, password)| Step::SrpAuth { client, name, password }),
        1 => Just(Step::RepeatSrp),
        5 => (client(), name(), prefer()).prop_map(|(client, name, prefer)| Step::UserAuth { client, name, prefer }),
        16 => (back(), code(), token_code(), 0..4_usize, password(), twist()).prop_map(
            |(session, code, token_code, choice, password, twist)| Step::Answer {
                session,
                code,
                token_code,
                choice,
                password,
                twist
            }
        ),
        3 => (client(), back()).prop_map(|(client, token)| Step::RefreshAuth { client, token }),
        7 => (client(), back()).prop_map(|(client, token)| Step::Renew { client, token }),
        2 => (client(), back()).prop_map(|(client, token)| Step::RevokeToken { client, token }),
        1 => (client(), back()).prop_map(|(client, token)| Step::RevokeAccessToken { client, token }),
    ];
    let signed_in = prop_oneof![
        4 => token().prop_map(Step::GetUser),
        1 => token().prop_map(Step::GlobalSignOut),
        1 => token().prop_map(Step::DeleteUser),
        3 => (token(), password(), password())
            .prop_map(|(token, previous, proposed)| Step::ChangePassword { token, previous, proposed }),
        4 => (token(), address(), proptest::option::weighted(0.8, 0..USERS))
            .prop_map(|(token, address, value)| Step::UpdateUserAttributes { token, address, value }),
        2 => (token(), address()).prop_map(|(token, address)| Step::SendAttributeCode { token, address }),
        5 => (token(), address(), code())
            .prop_map(|(token, address, code)| Step::VerifyUserAttribute { token, address, code }),
        4 => (token(), switch(), switch(), switch()).prop_map(|(token, sms, software_token, email)| {
            Step::SetUserMfaPreference { token, sms, software_token, email }
        }),
        4 => holder().prop_map(Step::AssociateSoftwareToken),
        5 => (holder(), token_code()).prop_map(|(holder, code)| Step::VerifySoftwareToken { holder, code }),
    ];
    prop_oneof![
        3 => pause(),
        1 => Just(Step::Sweep),
        13 => accounts.boxed(),
        13 => sign_in.boxed(),
        9 => signed_in.boxed(),
    ]
    .boxed()
}

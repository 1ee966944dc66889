//! Which operations share a rate (accounts.md §20.1).

use wire::Operation;

use super::Rates;

/// What shares a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Sign-in.
    UserAuthentication,
    /// Sign-up, and users made by administrators.
    UserCreation,
    /// New passwords.
    UserAccountRecovery,
    /// A user is shown.
    UserRead,
    /// A user is changed.
    UserUpdate,
    /// Tokens are made and revoked.
    UserToken,
    /// What belongs to a user is shown: devices, groups, factors.
    UserResourceRead,
    /// What belongs to a user is changed.
    UserResourceUpdate,
    /// Users are listed.
    UserList,
    /// Sign-ins at other identity providers. No operation is in it.
    UserFederation,
    /// Pools are shown.
    UserPoolRead,
    /// Pools are changed.
    UserPoolUpdate,
    /// What belongs to a pool is shown: groups, providers, domains, jobs.
    UserPoolResourceRead,
    /// What belongs to a pool is changed.
    UserPoolResourceUpdate,
    /// Clients are shown.
    UserPoolClientRead,
    /// Clients are changed.
    UserPoolClientUpdate,
    /// Clients get tokens for themselves.
    ClientAuthentication,
    /// Tags.
    Tags,
}

impl Category {
    /// All of them, in order.
    pub const ALL: [Self; 18] = [
        Self::UserAuthentication,
        Self::UserCreation,
        Self::UserAccountRecovery,
        Self::UserRead,
        Self::UserUpdate,
        Self::UserToken,
        Self::UserResourceRead,
        Self::UserResourceUpdate,
        Self::UserList,
        Self::UserFederation,
        Self::UserPoolRead,
        Self::UserPoolUpdate,
        Self::UserPoolResourceRead,
        Self::UserPoolResourceUpdate,
        Self::UserPoolClientRead,
        Self::UserPoolClientUpdate,
        Self::ClientAuthentication,
        Self::Tags,
    ];

    /// The service's default, in requests per second.
    #[must_use]
    pub const fn service_rate(self) -> u32 {
        match self {
            Self::ClientAuthentication => 150,
            Self::UserAuthentication | Self::UserRead | Self::UserToken => 120,
            Self::UserCreation | Self::UserResourceRead => 50,
            Self::UserAccountRecovery | Self::UserList => 30,
            Self::UserUpdate | Self::UserResourceUpdate | Self::UserFederation => 25,
            Self::UserPoolResourceRead => 20,
            Self::UserPoolRead
            | Self::UserPoolUpdate
            | Self::UserPoolResourceUpdate
            | Self::UserPoolClientRead
            | Self::UserPoolClientUpdate => 15,
            Self::Tags => 5,
        }
    }

    /// Whether each operation also has a rate on each pool.
    #[must_use]
    pub const fn counts_by_pool(self) -> bool {
        matches!(
            self,
            Self::UserPoolResourceRead
                | Self::UserPoolResourceUpdate
                | Self::UserPoolClientRead
                | Self::UserPoolClientUpdate
        )
    }

    /// The rate that each user has, and whether it is the one of reads; nothing where no operation is about one user.
    pub(super) const fn rate_of_user(self, rates: &Rates) -> Option<(u32, bool)> {
        match self {
            Self::UserRead | Self::UserResourceRead => Some((rates.user_reads, true)),
            Self::UserAuthentication
            | Self::UserCreation
            | Self::UserAccountRecovery
            | Self::UserUpdate
            | Self::UserToken
            | Self::UserResourceUpdate => Some((rates.user_writes, false)),
            _ => None,
        }
    }

    /// The category of an operation.
    ///
    /// Decision: where the chapter names none, an operation is with those that read or write the same things.
    #[must_use]
    pub const fn of(operation: Operation) -> Self {
        match operation {
            Operation::InitiateAuth
            | Operation::AdminInitiateAuth
            | Operation::RespondToAuthChallenge
            | Operation::AdminRespondToAuthChallenge => Self::UserAuthentication,

            Operation::SignUp
            | Operation::ConfirmSignUp
            | Operation::AdminCreateUser
            | Operation::AdminConfirmSignUp => Self::UserCreation,

            Operation::ForgotPassword
            | Operation::ConfirmForgotPassword
            | Operation::ChangePassword
            | Operation::AdminResetUserPassword
            | Operation::AdminSetUserPassword => Self::UserAccountRecovery,

            Operation::GetUser | Operation::AdminGetUser => Self::UserRead,

            Operation::UpdateUserAttributes
            | Operation::AdminUpdateUserAttributes
            | Operation::DeleteUserAttributes
            | Operation::AdminDeleteUserAttributes
            | Operation::GetUserAttributeVerificationCode
            | Operation::VerifyUserAttribute
            | Operation::ResendConfirmationCode
            | Operation::DeleteUser
            | Operation::AdminDeleteUser
            | Operation::AdminDisableUser
            | Operation::AdminEnableUser
            | Operation::AdminLinkProviderForUser
            | Operation::AdminDisableProviderForUser => Self::UserUpdate,

            Operation::RevokeToken
            | Operation::GetTokensFromRefreshToken
            | Operation::GlobalSignOut
            | Operation::AdminUserGlobalSignOut
            | Operation::GetDerivedToken => Self::UserToken,

            Operation::GetClientToken => Self::ClientAuthentication,

            Operation::GetDevice
            | Operation::AdminGetDevice
            | Operation::ListDevices
            | Operation::AdminListDevices
            | Operation::AdminListGroupsForUser
            | Operation::GetUserAuthFactors
            | Operation::AdminGetUserAuthFactors
            | Operation::AdminListUserAuthEvents
            | Operation::ListUserSessions
            | Operation::AdminListUserSessions
            | Operation::ListWebAuthnCredentials => Self::UserResourceRead,

            Operation::ConfirmDevice
            | Operation::ForgetDevice
            | Operation::AdminForgetDevice
            | Operation::UpdateDeviceStatus
            | Operation::AdminUpdateDeviceStatus
            | Operation::AdminAddUserToGroup
            | Operation::AdminRemoveUserFromGroup
            | Operation::AssociateSoftwareToken
            | Operation::VerifySoftwareToken
            | Operation::AdminDeleteSoftwareToken
            | Operation::SetUserMFAPreference
            | Operation::AdminSetUserMFAPreference
            | Operation::SetUserSettings
            | Operation::AdminSetUserSettings
            | Operation::UpdateAuthEventFeedback
            | Operation::AdminUpdateAuthEventFeedback
            | Operation::RevokeUserSession
            | Operation::AdminRevokeUserSession
            | Operation::StartWebAuthnRegistration
            | Operation::CompleteWebAuthnRegistration
            | Operation::DeleteWebAuthnCredential => Self::UserResourceUpdate,

            Operation::ListUsers | Operation::ListUsersInGroup => Self::UserList,

            Operation::DescribeUserPool
            | Operation::ListUserPools
            | Operation::ListUserPoolReplicas
            | Operation::GetProvisionedLimit => Self::UserPoolRead,

            Operation::CreateUserPool
            | Operation::UpdateUserPool
            | Operation::DeleteUserPool
            | Operation::AddCustomAttributes
            | Operation::SetUserPoolMfaConfig
            | Operation::CreateUserPoolReplica
            | Operation::UpdateUserPoolReplica
            | Operation::DeleteUserPoolReplica
            | Operation::UpdateProvisionedLimit => Self::UserPoolUpdate,

            Operation::GetUserPoolMfaConfig
            | Operation::GetGroup
            | Operation::ListGroups
            | Operation::DescribeIdentityProvider
            | Operation::GetIdentityProviderByIdentifier
            | Operation::ListIdentityProviders
            | Operation::DescribeResourceServer
            | Operation::ListResourceServers
            | Operation::DescribeUserPoolDomain
            | Operation::DescribeUserImportJob
            | Operation::ListUserImportJobs
            | Operation::GetCSVHeader
            | Operation::GetSigningCertificate
            | Operation::GetUICustomization
            | Operation::DescribeManagedLoginBranding
            | Operation::DescribeManagedLoginBrandingByClient
            | Operation::DescribeTerms
            | Operation::DescribeTermsByClient
            | Operation::ListTerms
            | Operation::DescribeRiskConfiguration
            | Operation::GetLogDeliveryConfiguration
            | Operation::GetUserPoolSessionConfiguration => Self::UserPoolResourceRead,

            Operation::CreateGroup
            | Operation::UpdateGroup
            | Operation::DeleteGroup
            | Operation::CreateIdentityProvider
            | Operation::UpdateIdentityProvider
            | Operation::DeleteIdentityProvider
            | Operation::CreateResourceServer
            | Operation::UpdateResourceServer
            | Operation::DeleteResourceServer
            | Operation::CreateUserPoolDomain
            | Operation::UpdateUserPoolDomain
            | Operation::DeleteUserPoolDomain
            | Operation::CreateUserImportJob
            | Operation::StartUserImportJob
            | Operation::StopUserImportJob
            | Operation::SetUICustomization
            | Operation::CreateManagedLoginBranding
            | Operation::UpdateManagedLoginBranding
            | Operation::DeleteManagedLoginBranding
            | Operation::CreateTerms
            | Operation::UpdateTerms
            | Operation::DeleteTerms
            | Operation::SetRiskConfiguration
            | Operation::SetLogDeliveryConfiguration
            | Operation::SetUserPoolSessionConfiguration => Self::UserPoolResourceUpdate,

            Operation::DescribeUserPoolClient
            | Operation::ListUserPoolClients
            | Operation::ListUserPoolClientSecrets
            | Operation::GetUserPoolClientSessionConfiguration => Self::UserPoolClientRead,

            Operation::CreateUserPoolClient
            | Operation::UpdateUserPoolClient
            | Operation::DeleteUserPoolClient
            | Operation::AddUserPoolClientSecret
            | Operation::DeleteUserPoolClientSecret
            | Operation::SetUserPoolClientSessionConfiguration => Self::UserPoolClientUpdate,

            Operation::TagResource | Operation::UntagResource | Operation::ListTagsForResource => Self::Tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::Operation;

    use super::Category;

    /// That no operation is without a category the compiler sees; this, that none is in the wrong kind of one.
    #[test]
    fn operations_are_in_the_categories_of_the_chapter() {
        let reads = |category| {
            matches!(
                category,
                Category::UserRead
                    | Category::UserResourceRead
                    | Category::UserList
                    | Category::UserPoolRead
                    | Category::UserPoolResourceRead
                    | Category::UserPoolClientRead
            )
        };
        assert_eq!(Operation::ALL.len(), 141);
        for operation in Operation::ALL {
            let (name, category) = (operation.name().trim_start_matches("Admin"), Category::of(*operation));
            let is_exempt = matches!(category, Category::UserToken | Category::ClientAuthentication | Category::Tags)
                || *operation == Operation::GetUserAttributeVerificationCode;
            let is_read = ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb));
            assert!(is_exempt || is_read == reads(category), "{name} is in {category:?}");
            let is_of_a_client = name.contains("UserPoolClient");
            let of_clients = matches!(category, Category::UserPoolClientRead | Category::UserPoolClientUpdate);
            assert_eq!(is_of_a_client, of_clients, "{name} is in {category:?}");
        }
    }

    #[test]
    fn every_category_but_one_has_operations_and_each_has_its_own_number() {
        for (number, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, number);
            let has_operations = Operation::ALL.iter().any(|operation| Category::of(*operation) == category);
            assert_eq!(has_operations, category != Category::UserFederation, "{category:?}");
        }
    }
}

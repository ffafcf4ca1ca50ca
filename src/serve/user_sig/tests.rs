use super::*;

const NOW: u64 = 1_700_000_000;

fn key() -> UserSigKey {
    UserSigKey::new(1_400_000_000, "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e")
}

#[test]
fn a_token_proves_its_user_until_it_expires() {
    let token = key().issue("alice", NOW, 600);
    assert_eq!(key().verify(&token, "alice", NOW + 599), Ok(()));
    assert_eq!(key().verify(&token, "alice", NOW + 600), Err(UserSigError::Expired));
    assert_eq!(key().verify(&token, "bob", NOW), Err(UserSigError::Forged));
}

#[test]
fn another_secret_or_application_does_not_do() {
    let token = key().issue("alice", NOW, 600);
    assert_eq!(UserSigKey::new(1_400_000_000, "secret").verify(&token, "alice", NOW), Err(UserSigError::Forged));
    let other = UserSigKey::new(7, "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e");
    assert_eq!(other.verify(&token, "alice", NOW), Err(UserSigError::Forged));
}

#[test]
fn garbage_is_malformed() {
    let token = key().issue("alice", NOW, 600);
    for garbage in ["", "x", "é", &token[..token.len() / 2], "eJw_"] {
        assert_eq!(key().verify(garbage, "alice", NOW), Err(UserSigError::Malformed), "{garbage}");
    }
}

#[test]
fn a_bomb_is_not_inflated() {
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&vec![b' '; 10 << 20]).expect("a vector takes everything");
    let bomb =
        STANDARD.encode(deflate.finish().expect("a vector takes everything")).replace('+', "*").replace('/', "-");
    assert_eq!(key().verify(&bomb, "alice", NOW), Err(UserSigError::Malformed));
}

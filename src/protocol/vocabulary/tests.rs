use super::*;

#[test]
fn room_ids_have_89_characters_and_64_bytes() {
    let allowed = (0..=255_u8).filter(|byte| RoomId::from(char::from(*byte).to_string()).is_well_formed()).count();
    assert_eq!(allowed, 89);
    assert!(RoomId::from("r".repeat(64)).is_well_formed());
    assert!(!RoomId::from("r".repeat(65)).is_well_formed());
    assert!(!RoomId::from("").is_well_formed());
    assert!(!RoomId::from("room-é").is_well_formed());
}

#[test]
fn error_codes_have_the_names_of_the_declarations() {
    assert_eq!(ErrorCode::REQUEST_CONFLICT.name(), Some("ERR_REQUEST_CONFLICT"));
    assert_eq!(ErrorCode::from_name("ERR_NO_PERMISSION"), Some(ErrorCode(100_006)));
    assert_eq!(ErrorCode(-777).name(), None);
}

#[test]
fn enumerations_read_back_from_number_and_name() {
    for status in InvitationStatus::ALL {
        assert_eq!(InvitationStatus::from_name(status.name()), Some(*status));
        assert_eq!(InvitationStatus::from_number(u64::from(status.number())), Some(*status));
    }
}

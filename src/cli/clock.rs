//! The machine's clock, for timings that are shown and never judged, and for beginning together with other machines.

use std::time::Duration;

/// A clock that says how long ago it was made.
#[expect(clippy::disallowed_methods, reason = "wall time of a run, shown to the user; no run depends on it")]
pub(super) fn stopwatch() -> impl Fn() -> Duration + Sync {
    let began = std::time::Instant::now();
    move || began.elapsed()
}

/// Seconds since 1970.
#[cfg(feature = "net")]
#[expect(
    clippy::disallowed_methods,
    reason = "names that were never used before, and a beginning that machines agree on"
)]
pub(super) fn unix_time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A time as seconds since 1970: such a number, or `2026-01-31T12:00:00Z`.
#[cfg(feature = "net")]
pub(super) fn unix_time_of(text: &str) -> Result<f64, String> {
    let wrong = || "write seconds since 1970, or a time in UTC such as 2026-01-31T12:00:00Z".to_owned();
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.is_finite() && seconds >= 0.0 { Ok(seconds) } else { Err(wrong()) };
    }
    let (date, time) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or_else(wrong)?;
    let numbers = |text: &str, by: char| -> Option<Vec<i64>> {
        text.split(by).map(|part| part.parse().ok().filter(|number| *number >= 0)).collect()
    };
    let (date, time) = numbers(date, '-').zip(numbers(time, ':')).ok_or_else(wrong)?;
    let ([year, month, day], [hour, minute, second]) = (&*date, &*time) else { return Err(wrong()) };
    let lawful = (1970..10_000).contains(year)
        && (1..=12).contains(month)
        && (1..=31).contains(day)
        && *hour < 24
        && *minute < 60
        && *second < 60;
    if !lawful {
        return Err(wrong());
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last.
    let year = if *month <= 2 { year - 1 } else { *year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Ok((days * 86_400 + hour * 3600 + minute * 60 + second) as f64)
}

#[cfg(all(test, feature = "net"))]
mod tests {
    use super::unix_time_of;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(unix_time_of("1700000000.5"), Ok(1_700_000_000.5));
        assert_eq!(unix_time_of("1970-01-01T00:00:00Z"), Ok(0.0));
        assert_eq!(unix_time_of("2024-02-29T12:00:01Z"), Ok(1_709_208_001.0));
        assert_eq!(unix_time_of("2026-11-26T03:25:00Z"), Ok(1_795_663_500.0));
        for wrong in ["", "soon", "-1", "2026-13-01T00:00:00Z", "2026-11-26 03:25:00", "2026-11-26T03:25:00"] {
            assert!(unix_time_of(wrong).is_err(), "{wrong}");
        }
    }
}

//! The planned times of schedules: no drift, whatever the calendar and the clocks do.

use calipso_store::work::{Recurrence, Schedule, stamp, unstamp};
use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

fn schedule(recurrence: Recurrence, first: &str, zone: &str) -> Schedule {
    Schedule {
        environment: "a".into(),
        recurrence,
        first_timestamp: stamp(unstamp(first).unwrap()),
        time_zone: zone.into(),
        ..Schedule::default()
    }
}

fn cron(text: &str, first: &str, zone: &str) -> Schedule {
    Schedule { cron: Some(text.into()), ..schedule(Recurrence::Cron, first, zone) }
}

/// The first times, in local time with the distance to UTC.
fn times(schedule: &Schedule, number: usize) -> Vec<String> {
    let zone = TimeZone::get(&schedule.time_zone).unwrap();
    let mut found = Vec::new();
    let mut after = unstamp(&schedule.first_timestamp).unwrap() - 1;
    while found.len() < number {
        let Some(next) = schedule.next_after(after).unwrap() else { break };
        assert!(next > after);
        let local = Timestamp::from_millisecond(next).unwrap().to_zoned(zone.clone());
        found.push(local.strftime("%Y-%m-%d %H:%M%:z").to_string());
        after = next;
    }
    found
}

#[test]
fn months_and_years_do_not_drift() {
    let monthly = schedule(Recurrence::Monthly, "2027-01-31T03:00:00Z", "UTC");
    assert_eq!(
        times(&monthly, 5),
        [
            "2027-01-31 03:00+00:00",
            "2027-02-28 03:00+00:00",
            "2027-03-31 03:00+00:00",
            "2027-04-30 03:00+00:00",
            "2027-05-31 03:00+00:00",
        ]
    );
    let leap = schedule(Recurrence::Monthly, "2028-01-31T03:00:00Z", "UTC");
    assert_eq!(times(&leap, 3)[1], "2028-02-29 03:00+00:00");
    let yearly = schedule(Recurrence::Yearly, "2028-02-29T03:00:00Z", "UTC");
    assert_eq!(
        times(&yearly, 5),
        [
            "2028-02-29 03:00+00:00",
            "2029-02-28 03:00+00:00",
            "2030-02-28 03:00+00:00",
            "2031-02-28 03:00+00:00",
            "2032-02-29 03:00+00:00",
        ]
    );
}

#[test]
fn days_are_days_of_the_time_zone() {
    // 02:30 is left out on 28 March 2027, and comes twice on 31 October 2027.
    let spring = schedule(Recurrence::Daily, "2027-03-27T02:30:00+01:00", "Europe/Berlin");
    assert_eq!(times(&spring, 3), ["2027-03-27 02:30+01:00", "2027-03-28 03:30+02:00", "2027-03-29 02:30+02:00"]);
    let autumn = schedule(Recurrence::Daily, "2027-10-30T02:30:00+02:00", "Europe/Berlin");
    assert_eq!(times(&autumn, 3), ["2027-10-30 02:30+02:00", "2027-10-31 02:30+02:00", "2027-11-01 02:30+01:00"]);
    let weekly = schedule(Recurrence::Weekly, "2027-03-24T09:00:00+01:00", "Europe/Berlin");
    assert_eq!(times(&weekly, 2)[1], "2027-03-31 09:00+02:00");
    // A whole day was left out: two days become one moment, and it comes once.
    let island = schedule(Recurrence::Daily, "2011-12-29T10:00:00-10:00", "Pacific/Apia");
    assert_eq!(times(&island, 3), ["2011-12-29 10:00-10:00", "2011-12-31 10:00+14:00", "2012-01-01 10:00+14:00"]);
    // Begun in the second of two equal hours.
    let second = schedule(Recurrence::Daily, "2027-10-31T02:30:00+01:00", "Europe/Berlin");
    assert_eq!(times(&second, 2), ["2027-10-31 02:30+01:00", "2027-11-01 02:30+01:00"]);
}

#[test]
fn hours_are_real_hours() {
    let hourly = schedule(Recurrence::Hourly, "2027-10-31T00:15:00Z", "Europe/Berlin");
    assert_eq!(times(&hourly, 3), ["2027-10-31 02:15+02:00", "2027-10-31 02:15+01:00", "2027-10-31 03:15+01:00"]);
}

#[test]
fn cron_times_follow_the_clocks() {
    let at_night = cron("30 2 * * *", "2027-03-27T00:00:00Z", "Europe/Berlin");
    assert_eq!(times(&at_night, 3), ["2027-03-27 02:30+01:00", "2027-03-28 03:30+02:00", "2027-03-29 02:30+02:00"]);
    let twice = cron("30 2 * * *", "2027-10-31T00:00:00Z", "Europe/Berlin");
    assert_eq!(times(&twice, 2), ["2027-10-31 02:30+02:00", "2027-11-01 02:30+01:00"]);
    let several = cron("15,45 2,3 * * *", "2027-03-28T00:00:00Z", "Europe/Berlin");
    assert_eq!(times(&several, 3), ["2027-03-28 03:15+02:00", "2027-03-28 03:45+02:00", "2027-03-29 02:15+02:00"]);
    let each_hour = cron("0 * * * *", "2027-10-31T00:00:00Z", "Europe/Berlin");
    assert_eq!(times(&each_hour, 3), ["2027-10-31 02:00+02:00", "2027-10-31 02:00+01:00", "2027-10-31 03:00+01:00"]);
    // From the first time on, and not before.
    assert_eq!(times(&cron("0 12 * * 1-5", "2027-01-02T13:00:00Z", "UTC"), 1), ["2027-01-04 12:00+00:00"]);
    // Four years are not always enough for a leap day.
    let leap = cron("0 0 29 2 *", "2096-03-01T00:00:00Z", "UTC");
    assert_eq!(times(&leap, 1), ["2104-02-29 00:00+00:00"]);
}

/// The library passes over December when it looks for last days, which is why we refuse to ask it.
#[test]
fn the_library_still_forgets_december() {
    let found = cronexpr::parse_crontab("0 0 L * * UTC").unwrap().find_next("2027-12-01T00:00:00Z").unwrap();
    assert_eq!(found.strftime("%Y-%m-%d").to_string(), "2028-01-31");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let first = "2030-01-01T00:00:00Z";
    let now = unstamp("2029-01-01T00:00:00Z").unwrap();
    let problems = |schedule: Schedule| -> String {
        let found = schedule.validate(now).unwrap_err();
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for (text, expected) in [
        ("60 * * * *", "cron: character 1 (minute): value must be in range 0..=59; found 60"),
        ("0  25 * * *", "cron: character 4 (hour): value must be in range 0..=23; found 25"),
        (
            "0 0 * *",
            "cron: an expression has five fields (minute, hour, day of month, month, day of week), and this has 4",
        ),
        (
            "0 0 * * * UTC",
            "cron: an expression has five fields (minute, hour, day of month, month, day of week), and this has 6",
        ),
        ("@daily", "cron: `@daily` is not understood; write five fields, or choose another recurrence"),
        (
            "0 0 L * *",
            "cron: character 5: `L` is not understood; for the last day of every month choose the recurrence MONTHLY \
             with a first time on a 31st",
        ),
        (
            "0 0 31 2 *",
            "cron: no such time comes within forty years; correct the day, the month or the day of the week",
        ),
    ] {
        assert_eq!(problems(cron(text, first, "UTC")), expected, "{text}");
    }
    for text in ["0 0 * * é", "é", "0 0 * * 8#9", "", "0 0 1-", "*/0 * * * *", "5-1 * * * *", "0 0 * JANU *"] {
        let found = problems(cron(text, first, "UTC"));
        assert!(found.starts_with("cron: "), "{text}: {found}");
        println!("{text:12} {found}");
    }
    assert!(cron("0 0 1W * 5#3", first, "UTC").validate(now).is_ok());
    let past = "2028-01-01T00:00:00Z";
    assert_eq!(
        problems(schedule(Recurrence::Once, past, "UTC")),
        "first_timestamp: the time is past; name one in the future"
    );
    assert!(schedule(Recurrence::Daily, past, "UTC").validate(now).is_ok(), "a recurrence may have begun");
    let empty = Schedule { recurrence: Recurrence::Once, ..Schedule::default() };
    assert_eq!(
        problems(empty),
        "environment: a schedule needs an environment; first_timestamp: a schedule that runs once needs a time"
    );
    let wrong = Schedule {
        first_timestamp: "tomorrow".into(),
        time_zone: "Europe/Bärlin".into(),
        log_level: "loud".into(),
        ..cron("* * * *", first, "UTC")
    };
    let fields: Vec<&str> = wrong.validate(now).unwrap_err().iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["log_level", "time_zone", "first_timestamp", "cron"]);
    let superfluous = Schedule { recurrence: Recurrence::Daily, ..cron("* * * * *", first, "UTC") };
    assert_eq!(problems(superfluous), "cron: only the recurrence CRON takes a cron expression");
    let lacking = Schedule { cron: None, ..cron("* * * * *", first, "UTC") };
    assert_eq!(problems(lacking), "cron: the recurrence CRON needs a cron expression");
}

const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
];

/// The n-th time after the first by the calendar alone: what the whole of the planning must come to.
fn by_hand(recurrence: Recurrence, first: i64, zone: &TimeZone, n: i64) -> i64 {
    let moment = Timestamp::from_millisecond(first).unwrap();
    let local = moment.to_zoned(zone.clone()).datetime();
    let span = match recurrence {
        Recurrence::Daily => n.days(),
        Recurrence::Weekly => n.weeks(),
        Recurrence::Monthly => n.months(),
        Recurrence::Yearly => n.years(),
        _ => return first + n * 60 * MINUTE,
    };
    if n == 0 {
        return first;
    }
    (local + span).to_zoned(zone.clone()).unwrap().timestamp().as_millisecond()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_next_time_is_the_least_one_that_is_later(
        first in 1_262_304_000_000_i64..2_000_000_000_000,
        zone in 0..ZONES.len(),
        kind in 1..6_usize,
        n in 0..80_i64,
        shift in -90_000_000_i64..90_000_000,
    ) {
        let recurrence = Recurrence::ALL[kind];
        let zone_name = ZONES[zone];
        let zone = TimeZone::get(zone_name).unwrap();
        let planned = Schedule {
            recurrence, first_timestamp: stamp(first), time_zone: zone_name.into(), ..Schedule::default()
        };
        let after = by_hand(recurrence, first, &zone, n) + shift;
        let next = planned.next_after(after).unwrap().unwrap();
        prop_assert!(next > after);
        // By looking at all of them, and at those around the one that was picked.
        let all = (0..n + 2 + 90_000_000 / (60 * MINUTE) + 2).map(|n| by_hand(recurrence, first, &zone, n));
        prop_assert_eq!(Some(next), all.filter(|at| *at > after).min());
    }

    #[test]
    fn nothing_drifts(first in 1_262_304_000_000_i64..1_900_000_000_000, zone in 0..ZONES.len(), kind in 2..6_usize) {
        let recurrence = Recurrence::ALL[kind];
        let zone = ZONES[zone];
        let planned = Schedule {
            recurrence, first_timestamp: stamp(first), time_zone: zone.into(), ..Schedule::default()
        };
        let clock = TimeZone::get(zone).unwrap();
        let local = |at: i64| clock.to_datetime(Timestamp::from_millisecond(at).unwrap());
        let begun = local(first);
        let mut at = first;
        let mut off_clock = 0;
        for _ in 0..40 {
            at = planned.next_after(at).unwrap().unwrap();
            let here: DateTime = local(at);
            off_clock += usize::from(here.time() != begun.time());
            // Samoa went across the date line: it had no 30 December in 2011.
            let is_skipped_day = zone == "Pacific/Apia" && here.date() == jiff::civil::date(2011, 12, 31);
            if matches!(recurrence, Recurrence::Monthly | Recurrence::Yearly) && here.time() == begun.time() && !is_skipped_day {
                prop_assert!(here.day() == begun.day().min(here.days_in_month()), "{begun} became {here}");
            }
        }
        // Only changes of clocks move the time of day, and only on their day; once a year in their week, one time in seven meets it.
        prop_assert!(off_clock <= 8, "{off_clock} of 40 at another time of the day");
    }

    #[test]
    fn cron_times_are_those_that_fit(
        start in 28_000_000_i64..32_000_000,
        zone in 0..ZONES.len(),
        minute in 0..4_usize,
        hour in 0..5_usize,
        rest in 0..4_usize,
    ) {
        let minute = ["0", "*/20", "7,37", "50-55"][minute];
        let hour = ["*", "2", "0-3", "1,2", "*/6"][hour];
        let rest = ["* * *", "* * 0", "1 * 3", "28-31 3,10 *"][rest];
        let text = format!("{minute} {hour} {rest}");
        let zone_name = ZONES[zone];
        let clock = TimeZone::get(zone_name).unwrap();
        let after = start * MINUTE;
        let planned = cron(&text, "2010-01-01T00:00:00Z", zone_name);
        let Some(next) = planned.next_after(after).unwrap() else { return Err(TestCaseError::fail("none")) };
        prop_assert!(next > after && next % MINUTE == 0);
        // Every local minute of the days around that fits, as a moment; none of them lies between.
        let fits = cronexpr::parse_crontab(&format!("{text} UTC")).unwrap();
        let real = cronexpr::parse_crontab(&format!("{text} {zone_name}")).unwrap();
        let mut least = None;
        let horizon = next.min(after + 3 * 1440 * MINUTE);
        let mut minute = after - 1560 * MINUTE;
        while minute <= horizon + 1560 * MINUTE {
            let moment = if hour == "*" {
                let at = Timestamp::from_millisecond(minute).unwrap();
                real.matches(cronexpr::MakeTimestamp(at)).unwrap().then_some(minute)
            } else {
                let as_utc = Timestamp::from_millisecond(minute).unwrap();
                let local = TimeZone::UTC.to_datetime(as_utc);
                let moment = || clock.to_ambiguous_timestamp(local).compatible().unwrap().as_millisecond();
                fits.matches(cronexpr::MakeTimestamp(as_utc)).unwrap().then(moment)
            };
            if let Some(moment) = moment.filter(|moment| *moment > after && *moment <= horizon) {
                least = Some(least.map_or(moment, |least: i64| least.min(moment)));
            }
            minute += MINUTE;
        }
        if horizon == next {
            prop_assert_eq!(least, Some(next));
        } else {
            prop_assert_eq!(least, None);
        }
    }
}

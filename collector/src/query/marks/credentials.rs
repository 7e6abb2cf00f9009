//! `GET /api/v1/credentials`: who fails to prove who it is. In: cells and marks. Out: refusals by kind of evidence, expired web
//! tokens, addresses with many credentials.

use std::collections::{BTreeMap, HashMap};

use pitot_model::{
    Distinct, MARK_WIDTH, MarkKind, Status,
    api::{AddressRow, AuthCounts, CredentialsAnswer, ExpiredTokens, PostureQuery},
    filter::Field,
};

use super::{Context, Numbers, Pair, QueryError, Question, STEPS, each_cell, each_mark, level_of, of_pair};
use crate::store::Cube;

const KINDS: &[MarkKind] =
    &[MarkKind::TokenUsed, MarkKind::TokenExpired, MarkKind::Credentials, MarkKind::CredentialsRefused];

/// An address on a service.
#[derive(Default)]
struct Address {
    row: AddressRow,
    all: Distinct,
    refused: Distinct,
}

/// Answers the question. Marks of tokens and addresses are not told apart by route: a filter on routes leaves them out.
pub fn credentials(cx: Context<'_>, query: &PostureQuery) -> Result<CredentialsAnswer, QueryError> {
    let question = Question::new(cx, query)?;
    let mut numbers = Numbers::default();
    let (mut tokens, mut addresses) = (HashMap::<Pair, ExpiredTokens>::new(), HashMap::<Pair, Address>::new());
    each_mark(cx, &question, KINDS, &mut numbers, &mut |pair, mark| {
        let sum = &mark.sum;
        match mark.key.kind {
            MarkKind::TokenUsed => add(&mut of_pair(&mut tokens, pair)?.tokens, sum.count),
            MarkKind::TokenExpired => {
                let row = of_pair(&mut tokens, pair)?;
                add(&mut row.expired, sum.count);
                row.last_seen = row.last_seen.max(sum.last);
            }
            kind => {
                let address = of_pair(&mut addresses, pair)?;
                address.row.last_seen = address.row.last_seen.max(sum.last);
                let (n, distinct) = match kind {
                    MarkKind::Credentials => (&mut address.row.requests, &mut address.all),
                    _ => (&mut address.row.refused, &mut address.refused),
                };
                add(n, sum.count);
                distinct.merge(&sum.distinct);
            }
        }
        Ok(())
    })?;
    let sum_of = |of: fn(&ExpiredTokens) -> u64| tokens.values().map(of).fold(0, u64::saturating_add);
    let (n_tokens, n_expired) = (sum_of(|t| t.tokens), sum_of(|t| t.expired));
    let mut expired: Vec<ExpiredTokens> = Vec::new();
    for ((place, consumer), row) in tokens.into_iter().filter(|(_, row)| row.expired > 0) {
        let service = numbers.places.name(place).service.clone();
        expired.push(ExpiredTokens { service, consumer: numbers.consumers.name(consumer).id.clone(), ..row });
    }
    expired.sort_by(|a, b| {
        b.expired.cmp(&a.expired).then_with(|| (&a.consumer, &a.service).cmp(&(&b.consumer, &b.service)))
    });
    expired.truncate(question.limit);
    let mut rows: Vec<AddressRow> = Vec::new();
    for ((place, consumer), Address { row, all, refused }) in addresses {
        rows.push(AddressRow {
            address: numbers.consumers.name(consumer).id.clone(),
            service: numbers.places.name(place).service.clone(),
            credentials: all.estimate(),
            is_exact: all.is_exact() && refused.is_exact(),
            credentials_refused: refused.estimate(),
            ..row
        });
    }
    rows.sort_by(|a, b| {
        let weight = |r: &AddressRow| (r.credentials, r.refused, r.requests);
        weight(b).cmp(&weight(a)).then_with(|| (&a.address, &a.service).cmp(&(&b.address, &b.service)))
    });
    let by_evidence = by_evidence(cx, &question)?;
    let row_count = rows.len();
    let (addresses, next) = question.cut(rows);
    Ok(CredentialsAnswer {
        range: question.range,
        by_evidence,
        tokens: n_tokens,
        tokens_expired: n_expired,
        expired,
        addresses,
        row_count,
        next,
        watermark: cx.watermark,
    })
}

fn by_evidence(cx: Context<'_>, question: &Question) -> Result<BTreeMap<String, AuthCounts>, QueryError> {
    let asks_routes = question.expr.fields().iter().any(|f| matches!(f, Field::Route | Field::Method));
    let cube = if asks_routes { Cube::Full } else { Cube::Consumers };
    let (level, range) = level_of(cx, question.range, MARK_WIDTH);
    let (mut numbers, mut steps) = (Numbers::default(), STEPS);
    let mut counts: HashMap<u32, AuthCounts> = HashMap::new();
    each_cell(cx, (cube, level, range), &question.expr, &mut steps, &mut numbers, &mut |_, (_, consumer), _, cell| {
        let (counts, n) = (counts.entry(consumer).or_default(), cell.stats.count);
        add(&mut counts.requests, n);
        match cell.status {
            status if status == Status::code(401) => add(&mut counts.unauthorized, n),
            status if status == Status::code(403) => add(&mut counts.forbidden, n),
            _ => {}
        }
        Ok(())
    })?;
    let mut by: BTreeMap<String, AuthCounts> = BTreeMap::new();
    for (consumer, one) in counts {
        let all = by.entry(numbers.consumers.name(consumer).evidence.name().to_owned()).or_default();
        add(&mut all.requests, one.requests);
        add(&mut all.unauthorized, one.unauthorized);
        add(&mut all.forbidden, one.forbidden);
    }
    Ok(by)
}

fn add(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

"""From the votes of a district whose protocols are all in to its outcome, or to what is missing for one."""

from collections.abc import Iterable, Mapping

from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import Law
from skrutinium_server.election.model import Contest, District, List
from skrutinium_server.tally import majority
from skrutinium_server.tally.ballot import Ballot, Persons
from skrutinium_server.tally.model import DistrictTally, Outcome, Unknown
from skrutinium_server.tally.seats.allocation import allocate
from skrutinium_server.tally.seats.model import Allocated, CandidateStanding, ListStanding, LotNeeded


def outcome(index: DefinitionIndex, law: Law, ballot: Ballot, tally: DistrictTally) -> Outcome:
    """The outcome of a district of which every expected protocol is in.

    Lists and candidates that were withdrawn do not stand. Persons are told only where every protocol tells the votes
    of the candidates and the definition and the protocols agree on who they are.
    """
    contest = index.contests[index.districts[tally.id].contest]
    if contest.form == "persons":
        return _of_persons(law, contest, ballot, tally)
    seats = _seats(index, index.districts[tally.id])
    lists = [row for row in index.lists_of_district(tally.id) if row.active]
    missing = _missing(index, law, ballot, tally, seats, lists)
    if missing or law.seats is None or seats is None:
        return Unknown("; ".join(missing))
    result = allocate(law.seats, seats, [_standing(ballot, tally, row) for row in lists])
    if isinstance(result, Allocated | LotNeeded):
        return result
    return Unknown("a rule of the law for a district in which no list has a vote")


def _of_persons(law: Law, contest: Contest, ballot: Ballot, tally: DistrictTally) -> Outcome:
    people, votes = ballot.candidates[0], tally.candidate_votes.get(0, {})
    missing = _missing_of_persons(law, contest, people, votes, tally.without_candidates)
    if missing:
        return Unknown("; ".join(missing))
    standing = {number: votes.get(number, 0) for number in people.standing}
    if not sum(standing.values()):
        return Unknown("a rule of the law for a district in which no candidate has a vote")
    if contest.round == 1:
        return majority.first_round(standing)
    if len(standing) < majority.FINALISTS:
        return Unknown("a rule of the law for a second round in which only one candidate stands")
    return majority.second_round(standing)


def _missing_of_persons(
    law: Law, contest: Contest, people: Persons, votes: Mapping[int, int], without: int
) -> list[str]:
    if law.majority is None:
        return [f"a rule of the law {law.id} that elects in a contest of the form persons"]
    missing = []
    if contest.seats not in (None, 1):
        missing.append(f"a rule of the law that fills {contest.seats} seats")
    if without:
        missing.append(f"the votes of the candidates in {without} of the protocols")
    if not people.standing:
        missing.append("the candidates")
    elif unknown := sorted(votes.keys() - people.numbers):
        missing.append(f"who {_called('candidate', unknown)} in the protocols is")
    withdrawn = people.numbers.difference(people.standing)
    if voted := sorted(number for number in withdrawn if votes.get(number)):
        missing.append(f"why there are votes for the withdrawn {_called('candidate', voted)}")
    return missing


def _seats(index: DefinitionIndex, district: District) -> int | None:
    """The district's seats; those of the contest where it is the only one and tells none."""
    if district.seats is None and len(index.districts_of_contest(district.contest)) == 1:
        return index.contests[district.contest].seats
    return district.seats


def _missing(
    index: DefinitionIndex,
    law: Law,
    ballot: Ballot,
    tally: DistrictTally,
    seats: int | None,
    lists: list[List],
) -> list[str]:
    contest = index.contests[index.districts[tally.id].contest]
    if law.seats is None or contest.form != "lists":
        return [f"a rule of the law {law.id} that allocates seats in a contest of the form {contest.form}"]
    missing = []
    if seats is None or seats < 1:
        missing.append("the number of seats")
    if ballot.unnumbered:
        missing.append(f"the number on the ballot of {ballot.unnumbered} of the lists")
    if unlisted := [number for number in tally.votes if number not in ballot.committees]:
        missing.append(f"which {_named(unlisted)} in the protocols stand for")
    elif not lists:
        missing.append("the lists")
    if voted := [
        n for n in tally.votes if tally.votes[n] and n in ballot.committees and n not in _numbers(lists)
    ]:
        missing.append(f"why there are votes for the withdrawn {_named(voted)}")
    if uncounted := [row.number for row in lists if _stand(ballot, row) is None]:
        missing.append(f"the number of candidates of {_named(uncounted)}")
    return missing


def _numbers(lists: Iterable[List]) -> set[int]:
    return {row.number for row in lists}


def _named(numbers: list[int]) -> str:
    return _called("list", sorted(numbers))


def _called(what: str, numbers: Iterable[int]) -> str:
    told = [str(number) for number in numbers]
    return f"{what}{'' if len(told) == 1 else 's'} {', '.join(told)}"


def _stand(ballot: Ballot, row: List) -> int | None:
    """How many candidates stand on the list: those named who were not withdrawn, else the number told."""
    persons = ballot.candidates[row.number]
    return len(persons.standing) if persons.numbers else row.candidates


def _standing(ballot: Ballot, tally: DistrictTally, row: List) -> ListStanding:
    standing = None if tally.without_candidates else _candidates(ballot.candidates[row.number], tally, row)
    return ListStanding(row.number, tally.votes[row.number], _stand(ballot, row) or 0, standing)


def _candidates(persons: Persons, tally: DistrictTally, row: List) -> tuple[CandidateStanding, ...] | None:
    """Votes of each candidate who stands, None when unknown or when who they are is in doubt."""
    votes = tally.candidate_votes.get(row.number)
    if votes is None:
        return None
    if not persons.numbers:
        return _rows(votes, votes) if len(votes) == row.candidates else None
    # Everybody on the ballot is among the votes, so more votes than persons are votes for somebody else.
    return _rows(votes, persons.standing) if len(votes) == len(persons.numbers) else None


def _rows(votes: Mapping[int, int], numbers: Iterable[int]) -> tuple[CandidateStanding, ...]:
    return tuple([CandidateStanding(number, votes[number]) for number in numbers])

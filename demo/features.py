"""The first half of the ranker: an ONNX graph that turns bound columns into features.

Training runs this very graph, so that serving cannot compute anything else.
"""

from __future__ import annotations

import onnx
import onnx.checker
import onnx.parser

OPSET = 17  # pinned, as is the IR version: what the exporters write by default is newer than what runtimes in the field read
IR_VERSION = 8
FEATURE_COUNT = 51

_GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
features (
    float[n, 46] candidates,
    int64[n, 2] creator_codes,
    float[1, 41] listener,
    int64[1, 3] listener_codes,
    float[1, 20, 24] history,
    float[1, 20] history_mask
) => (float[n, 51] X)
<
    int64[9] candidate_widths = {24, 15, 1, 1, 1, 1, 1, 1, 1},
    int64[4] listener_widths = {24, 15, 1, 1},
    int64[2] code_pair = {1, 1},
    int64[3] code_triple = {1, 1, 1},
    int64[1] across = {1},
    int64[1] first = {0},
    int64[6] activities = {0, 1, 2, 3, 4, 5},
    float[1] one = {1.0},
    float[1] tiny = {1e-12},
    float[1] evening = {18.0},
    float[1] per_hour = {0.2617993877991494}
>
{
    embedding, genre_mix, followers, releases, energy, completion, completion_known, verified, similarity
        = Split <axis = 1> (candidates, candidate_widths)
    wanted, genre_affinity, age_days, hour = Split <axis = 1> (listener, listener_widths)
    creator_country, creator_genre = Split <axis = 1> (creator_codes, code_pair)
    listener_country, favourite_genre, activity = Split <axis = 1> (listener_codes, code_triple)

    wanted_length = ReduceL2 <axes = [1], keepdims = 1> (wanted)
    wanted_safe = Max (wanted_length, tiny)
    wanted_unit = Div (wanted, wanted_safe)
    creator_length = ReduceL2 <axes = [1], keepdims = 1> (embedding)
    creator_safe = Max (creator_length, tiny)
    creator_unit = Div (embedding, creator_safe)
    agreement = Mul (creator_unit, wanted_unit)

    genre_products = Mul (genre_mix, genre_affinity)
    genre_taste = ReduceSum <keepdims = 1> (genre_products, across)
    same_genre = Equal (creator_genre, favourite_genre)
    in_favourite = Cast <to = 1> (same_genre)
    same_country = Equal (creator_country, listener_country)
    at_home = Cast <to = 1> (same_country)

    followers_up = Add (followers, one)
    followers_log = Log (followers_up)
    releases_up = Add (releases, one)
    releases_log = Log (releases_up)

    heard = Squeeze (history, first)
    heard_length = ReduceL2 <axes = [1], keepdims = 1> (heard)
    heard_safe = Max (heard_length, tiny)
    heard_unit = Div (heard, heard_safe)
    heard_columns = Transpose <perm = [1, 0]> (heard_unit)
    echoes_all = MatMul (creator_unit, heard_columns)
    echoes = Mul (echoes_all, history_mask)
    echo_sum = ReduceSum <keepdims = 1> (echoes, across)
    heard_sum = ReduceSum <keepdims = 1> (history_mask, across)
    heard_count = Max (heard_sum, one)
    echo_mean = Div (echo_sum, heard_count)
    echo_best = ReduceMax <axes = [1], keepdims = 1> (echoes)

    doing = Equal (activity, activities)
    doing_one_hot = Cast <to = 1> (doing)
    energy_doing = Mul (energy, doing_one_hot)
    since_evening = Sub (hour, evening)
    hour_angle = Mul (since_evening, per_hour)
    hour_cos = Cos (hour_angle)
    energy_hour = Mul (energy, hour_cos)

    age_up = Add (age_days, one)
    age_log = Log (age_up)
    of_listener = Concat <axis = 1> (doing_one_hot, hour_cos, age_log)
    zero = Sub (similarity, similarity)
    of_listener_rows = Add (of_listener, zero)

    X = Concat <axis = 1> (similarity, agreement, genre_taste, in_favourite, at_home, followers_log, releases_log, energy, completion,
        completion_known, verified, echo_mean, echo_best, energy_doing, energy_hour, of_listener_rows)
}
"""


def feature_graph() -> onnx.ModelProto:
    """The graph above, checked. Its output X is float32 [n, FEATURE_COUNT]."""
    model = onnx.parser.parse_model(_GRAPH)
    onnx.checker.check_model(model, full_check=True)
    return model

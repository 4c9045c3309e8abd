from app.digest import digest

NEW = {"title": "On rockets", "words": 800, "author_id": 1}
OUT = {
    "id": 1,
    "title": "On rockets",
    "words": 800,
    "published": False,
    "author": "Chief of Acme Weekly",
}


def test_without_a_key_there_is_nothing_to_see(client, chief):
    assert client.get("/articles").status_code == 401
    assert client.get("/articles", headers={"X-API-Key": "guess"}).status_code == 401
    assert client.get("/articles", headers=chief).status_code == 200
    assert client.get("/schema/openapi.json").status_code == 200


def test_the_name_of_a_magazine_is_taken_once(client, chief):
    again = {"magazine": "Acme Weekly", "name": "Somebody else"}
    assert client.post("/sign-up", json=again).status_code == 409


def test_new_editors_get_a_key(client, chief):
    key = client.post("/editors", json={"name": "Ed"}, headers=chief).json()["key"]
    names = ["Chief of Acme Weekly", "Ed"]
    for headers in (chief, {"X-API-Key": key}):
        found = client.get("/editors", headers=headers).json()
        assert [each["name"] for each in found] == names


def test_articles(client, chief):
    assert client.post("/articles", json=NEW, headers=chief).json() == OUT
    assert client.get("/articles/1", headers=chief).json() == OUT
    assert client.get("/articles", headers=chief).json() == {"total": 1, "items": [OUT]}
    assert client.get("/articles?search=rocket", headers=chief).json()["total"] == 1
    assert client.get("/articles?search=plane", headers=chief).json()["total"] == 0
    assert client.get("/articles/2", headers=chief).status_code == 404


def test_articles_change(client, chief):
    client.post("/articles", json=NEW, headers=chief)
    client.post("/editors", json={"name": "Ed"}, headers=chief)
    change = {"author_id": 2, "published": True}
    changed = client.patch("/articles/1", json=change, headers=chief).json()
    assert changed == {**OUT, "author": "Ed", "published": True}
    assert client.patch("/articles/2", json=change, headers=chief).status_code == 404


def test_words_are_counted_after_the_answer(client, chief):
    client.post("/articles", json=NEW, headers=chief)
    assert client.post("/articles/1/count-words", headers=chief).status_code == 202
    assert client.get("/articles/1", headers=chief).json()["words"] == 2


def test_comments(client, chief):
    client.post("/articles", json=NEW, headers=chief)
    for text in ("Good!", "Bad!"):
        client.post("/articles/1/comments", json={"text": text}, headers=chief)
    assert client.delete("/comments?comment_id=1", headers=chief).status_code == 204
    comments = [{"id": 2, "text": "Bad!"}]
    assert client.get("/articles/1/comments", headers=chief).json() == comments
    assert client.delete("/articles/1", headers=chief).status_code == 204
    assert client.get("/articles/1/comments", headers=chief).json() == []


def test_reports(client, chief):
    client.post("/articles", json=NEW, headers=chief)
    assert client.get("/articles/export", headers=chief).text == (
        "On rockets;Chief of Acme Weekly\n"
    )
    authors = [{"name": "Chief of Acme Weekly", "articles": 1, "words": 800}]
    assert client.get("/articles/statistics", headers=chief).json() == {"authors": authors}


def test_the_digest_is_about_all_magazines(client, chief, sign_up):
    sign_up("Globex Daily")
    client.post("/articles", json=NEW, headers=chief)
    client.patch("/articles/1", json={"published": True}, headers=chief)
    assert client.blocking_portal.call(digest) == [("Acme Weekly", 1), ("Globex Daily", 0)]

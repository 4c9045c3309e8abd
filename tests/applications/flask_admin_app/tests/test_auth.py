def test_after_registering_you_are_logged_in(client):
    assert client.get("/me").json == {"id": 1, "email": "boss@acme.test", "company": "acme"}


def test_a_company_is_only_created_with_its_first_user(app, client):
    form = {"company": "globex", "email": "boss@acme.test", "password": "12345678"}
    assert app.test_client().post("/register", data=form).status_code == 409
    form["email"] = "boss@globex.test"
    assert app.test_client().post("/register", data=form).status_code == 201


def test_you_log_out_and_in(app, client):
    assert client.post("/logout").status_code == 204
    assert client.get("/me").status_code == 401
    assert client.get("/items").status_code == 401
    form = {"email": "boss@acme.test", "password": "12345678"}
    assert client.post("/login", data=form).status_code == 200
    assert client.get("/me").status_code == 200


def test_you_do_not_log_in_with_another_password(app, client):
    for email in ("boss@acme.test", "nobody@acme.test"):
        form = {"email": email, "password": "87654321"}
        assert app.test_client().post("/login", data=form).status_code == 401

def test_after_signing_up_you_are_an_administrator(client, boss):
    answer = client.get("/me", headers=boss)
    assert answer.json() == {"id": 1, "email": "boss@acme.test", "role": "admin"}


def test_an_organization_is_only_created_with_its_first_user(client, boss):
    body = {"organization": "globex", "email": "boss@acme.test", "password": "12345678"}
    assert client.post("/sign-up", json=body).status_code == 409
    body["email"] = "boss@globex.test"
    assert client.post("/sign-up", json=body).status_code == 201


def test_the_name_of_an_organization_is_taken_once(client, boss):
    body = {"organization": "acme", "email": "other@acme.test", "password": "12345678"}
    assert client.post("/sign-up", json=body).status_code == 409


def test_you_log_in_with_your_password(client, boss):
    form = {"username": "boss@acme.test", "password": "12345678"}
    answer = client.post("/token", data=form)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert client.get("/me", headers=headers).status_code == 200


def test_you_do_not_log_in_with_another_password(client, boss):
    for form in (
        {"username": "boss@acme.test", "password": "87654321"},
        {"username": "nobody@acme.test", "password": "12345678"},
    ):
        assert client.post("/token", data=form).status_code == 401


def test_without_a_valid_token_you_have_to_log_in(client):
    assert client.get("/me").status_code == 401
    assert client.get("/projects", headers={"Authorization": "Bearer x.y.z"}).status_code == 401


def test_administrators_add_users(client, boss):
    new = {"email": "new@acme.test", "password": "12345678"}
    assert client.post("/users", json=new, headers=boss).json()["role"] == "member"
    assert client.post("/users", json=new, headers=boss).status_code == 409
    assert [user["id"] for user in client.get("/users", headers=boss).json()] == [1, 2]


def test_only_administrators_change_roles(client, boss):
    new = {"email": "new@acme.test", "password": "12345678"}
    client.post("/users", json=new, headers=boss)
    form = {"username": new["email"], "password": new["password"]}
    token = client.post("/token", data=form).json()["access_token"]
    member = {"Authorization": f"Bearer {token}"}

    assert client.put("/users/1/role", json={"role": "member"}, headers=member).status_code == 403
    assert client.put("/users/2/role", json={"role": "admin"}, headers=boss).status_code == 200
    assert client.put("/users/1/role", json={"role": "member"}, headers=member).status_code == 200


def test_the_documentation_is_public(client):
    assert client.get("/docs").status_code == 200
